//! Files with keys in them, as CZMQ (`zcert`) and pyzmq (`zmq.auth`) write them: for the text format see RFC 4, ZPL.

use crate::keys::{KeyPair, PublicKey, SecretKey};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;
use zmq_core::{Error, Result};

/// The largest file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// A public key, perhaps the secret key that belongs to it, and what is said of their holder.
#[derive(Clone, Debug)]
pub struct Certificate {
    public: PublicKey,
    secret: Option<SecretKey>,
    metadata: Vec<(String, String)>,
}

impl Certificate {
    /// A certificate with both keys, to be saved by who holds them.
    pub fn new(keys: &KeyPair) -> Certificate {
        Certificate { public: keys.public(), secret: Some(keys.secret().clone()), metadata: Vec::new() }
    }

    /// Adds a line about the holder: its name, or email address.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for what the format cannot hold: a name with other characters than letters, digits and
    /// `-_.`, a value with a quotation mark or a control character.
    pub fn with_metadata(mut self, name: &str, value: &str) -> Result<Certificate> {
        check_line(name, value)?;
        self.metadata.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Both keys, if the secret one is known.
    pub fn keys(&self) -> Option<KeyPair> {
        self.secret.clone().map(KeyPair::from)
    }

    /// What is said of the holder, in order.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Reads a file, with its secret key if it has one. Blocks.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read or is no certificate.
    pub fn load(path: impl AsRef<Path>) -> Result<Certificate> {
        let path = path.as_ref();
        let read = || {
            if fs::metadata(path)?.len() > MAX_FILE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a certificate"));
            }
            let text = Zeroizing::new(fs::read_to_string(path)?);
            Certificate::parse(&text).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
        };
        read().map_err(|error| Error::io(format!("reading the certificate {}", path.display()), error))
    }

    /// Reads every certificate of a directory, as CZMQ's `zauth` does with a directory of allowed clients; secret ones
    /// (`*_secret`) are left out. Blocks.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read, or for the first file that is no certificate.
    pub fn load_directory(path: impl AsRef<Path>) -> Result<Vec<Certificate>> {
        let path = path.as_ref();
        let files = || -> io::Result<Vec<PathBuf>> {
            let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
            Ok(entries?.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
        };
        let mut files =
            files().map_err(|error| Error::io(format!("reading the directory {}", path.display()), error))?;
        files.retain(|file| !file.as_os_str().as_encoded_bytes().ends_with(b"_secret"));
        files.sort();
        files.iter().map(Certificate::load).collect()
    }

    /// Writes the public certificate to `path`, and, if the secret key is known, one with both keys to the same path with
    /// `_secret` behind it, which nobody else may read. Blocks.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidOption`] if it was loaded from a file whose metadata this format cannot hold, as
    /// for [`with_metadata`](Certificate::with_metadata).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.metadata.iter().try_for_each(|(name, value)| check_line(name, value))?;
        if self.secret.is_some() {
            let mut name = OsString::from(path);
            name.push("_secret");
            let text = Zeroizing::new(self.text(true));
            write(Path::new(&name), &text, 0o600)?;
        }
        write(path, &self.text(false), 0o644)
    }

    fn text(&self, with_secret: bool) -> String {
        let mut text = String::with_capacity(1024);
        text.push_str(if with_secret {
            "# A CURVE certificate of ZeroMQ WITH ITS SECRET KEY: whoever reads this can pass for its holder.\n"
        } else {
            "# A CURVE certificate of ZeroMQ: make sure on another way that it is the one that was sent to you.\n"
        });
        text.push_str("\nmetadata\n");
        for (name, value) in &self.metadata {
            text.push_str(&format!("    {name} = \"{value}\"\n"));
        }
        text.push_str(&format!("curve\n    public-key = \"{}\"\n", self.public));
        if let Some(secret) = self.secret.as_ref().filter(|_| with_secret) {
            text.push_str("    secret-key = \"");
            text.push_str(&secret.to_z85());
            text.push_str("\"\n");
        }
        text
    }

    fn parse(text: &str) -> std::result::Result<Certificate, String> {
        let (mut section, mut metadata) = ("", Vec::new());
        let (mut public, mut secret) = (None::<PublicKey>, None::<SecretKey>);
        for line in text.lines() {
            let bare = without_comment(line).trim_end();
            let Some((name, value)) = bare.split_once('=') else {
                if !bare.starts_with([' ', '\t']) && !bare.is_empty() {
                    section = bare;
                }
                continue;
            };
            let (name, value) = (name.trim(), unquoted(value.trim()));
            match (section, name) {
                ("curve", "public-key") => {
                    public = Some(value.parse().map_err(|error: Error| error.to_string())?)
                }
                ("curve", "secret-key") => {
                    secret = Some(value.parse().map_err(|error: Error| error.to_string())?)
                }
                ("metadata", name) => metadata.push((name.to_owned(), value.to_owned())),
                _ => {}
            }
        }
        let public = public.ok_or("it has no public-key in a section \"curve\"")?;
        if secret.as_ref().is_some_and(|secret| secret.public() != public) {
            return Err("its secret key does not belong to its public key".to_owned());
        }
        Ok(Certificate { public, secret, metadata })
    }
}

/// Whether a line of metadata would be read as it is written. Lines of others may be of more kinds.
fn check_line(name: &str, value: &str) -> Result<()> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_name || value.chars().any(|character| character == '"' || character.is_control()) {
        let reason = format!("{name:?} = {value:?} cannot be written into a certificate");
        return Err(Error::InvalidOption { option: "metadata", reason });
    }
    Ok(())
}

/// The line up to a `#` outside of quotation marks (keys contain it).
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let comment = line.find(|character| {
        quoted ^= character == '"';
        character == '#' && !quoted
    });
    comment.and_then(|end| line.get(..end)).unwrap_or(line)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(path)?;
        // A file that was there keeps its mode; nothing is written into it before it has the right one.
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        #[cfg(not(unix))]
        let _ = mode;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| Error::io(format!("writing the certificate {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes with the test.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = std::env::temp_dir().join(format!("zmq-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = Directory::new("certificates");
        let keys = KeyPair::generate().unwrap();
        let certificate = Certificate::new(&keys).with_metadata("name", "Ann #1 = first").unwrap();
        let path = directory.0.join("ann.key");
        certificate.save(&path).unwrap();
        let public = Certificate::load(&path).unwrap();
        assert!(public.public() == keys.public() && public.keys().is_none());
        assert_eq!(public.metadata(), [("name".to_owned(), "Ann #1 = first".to_owned())]);
        let secret = directory.0.join("ann.key_secret");
        let loaded = Certificate::load(&secret).unwrap().keys().unwrap();
        assert_eq!(loaded.secret().as_bytes(), keys.secret().as_bytes());
        assert!(!fs::read_to_string(&path).unwrap().contains("secret-key"));
        Certificate::new(&KeyPair::generate().unwrap()).save(directory.0.join("bob.key")).unwrap();
        let all = Certificate::load_directory(&directory.0).unwrap();
        assert!(
            all.len() == 2 && all[0].public() == keys.public() && all.iter().all(|one| one.keys().is_none())
        );
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_secret() {
        use std::os::unix::fs::PermissionsExt;
        let directory = Directory::new("modes");
        let path = directory.0.join("ann.key");
        let secret = directory.0.join("ann.key_secret");
        fs::write(&secret, "was there before").unwrap();
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o666)).unwrap();
        Certificate::new(&KeyPair::generate().unwrap()).save(&path).unwrap();
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_form_of_others_is_read() {
        let keys = KeyPair::from(SecretKey::from([7; 32]));
        let text = format!(
            "#   **** Generated by somebody ****\n\nmetadata\n    email = ann@example.org # unquoted\ncurve\n    \
             public-key = \"{}\"\n    secret-key = \"{}\"\nother\n    public-key = \"nothing\"\n",
            keys.public(),
            keys.secret().to_z85().as_str()
        );
        let certificate = Certificate::parse(&text).unwrap();
        assert_eq!(certificate.public(), keys.public());
        assert_eq!(certificate.keys().unwrap().secret().as_bytes(), &[7; 32]);
        assert_eq!(certificate.metadata(), [("email".to_owned(), "ann@example.org".to_owned())]);
    }

    #[test]
    fn what_is_no_certificate_says_why() {
        let public = KeyPair::generate().unwrap().public();
        let other = KeyPair::generate().unwrap();
        for (text, reason) in [
            (String::new(), "no public-key"),
            (format!("public-key = \"{public}\""), "no public-key"),
            ("curve\n  public-key = \"abc\"".to_owned(), "40 characters"),
            (
                format!(
                    "curve\n  public-key = \"{public}\"\n  secret-key = \"{}\"",
                    *other.secret().to_z85()
                ),
                "does not belong",
            ),
        ] {
            let refused = Certificate::parse(&text).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        let missing = Certificate::load("/nowhere/ann.key").unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ann.key"), "{missing}");
    }

    #[test]
    fn lines_that_cannot_be_written_are_refused() {
        let certificate = || Certificate::new(&KeyPair::generate().unwrap());
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "say \"x\""), ("a", "x\ncurve")] {
            assert!(certificate().with_metadata(name, value).is_err());
        }
        // Nor may they come from a file that somebody else wrote.
        let public = certificate().public();
        let read = format!("metadata\n  x = \"a\" and \"b\"\ncurve\n  public-key = \"{public}\"\n");
        let path = std::env::temp_dir().join(format!("zmq-unwritten-{}", std::process::id()));
        let refused = Certificate::parse(&read).unwrap().save(&path).unwrap_err();
        assert!(matches!(refused, Error::InvalidOption { option: "metadata", .. }) && !path.exists());
        assert!(certificate().with_metadata("e-mail.1_", "\u{e4} = # x").is_ok());
    }
}
