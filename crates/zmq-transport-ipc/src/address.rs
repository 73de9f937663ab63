//! The text forms of an address: syntax only, the file system is not asked.

use socket2::SockAddr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a path that fit into the kernel's `sun_path` beside the zero that ends it. An abstract name has as many:
/// there the zero stands first.
pub(crate) const MAX_BYTES: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

const HAS_ABSTRACT: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Where to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `*`
    Fresh,
    Named(Name),
}

/// The name of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The path, with its own kind of length limit checked.
    Path(PathBuf),
    /// In Linux's abstract namespace, without the `@`.
    Abstract(String),
}

impl Name {
    /// The name of a socket that is bound. `None`: it has none, or one that cannot be written as an endpoint.
    pub(crate) fn of(address: &SockAddr) -> Option<Name> {
        let name = match address.as_abstract_namespace() {
            Some(name) => Name::Abstract(String::from_utf8(name.to_vec()).ok()?),
            None => Name::Path(Path::new(address.as_pathname()?.to_str()?).to_owned()),
        };
        Some(name)
    }

    /// The address in the form that the kernel takes.
    pub(crate) fn to_socket_address(&self) -> io::Result<SockAddr> {
        match self {
            Name::Path(path) => SockAddr::unix(path),
            Name::Abstract(name) => SockAddr::unix(format!("\0{name}")),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Path(path) => write!(f, "{}", path.display()),
            Name::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

/// Parses the address of a bind; the error says what is wrong with it.
pub(crate) fn parse_bind(text: &str) -> Result<Place, String> {
    if text == "*" { Ok(Place::Fresh) } else { parse_name(text).map(Place::Named) }
}

/// Parses the address of a connect; the error says what is wrong with it.
pub(crate) fn parse_connect(text: &str) -> Result<Name, String> {
    if text == "*" {
        return Err("`*` is for bind; connect to the endpoint that the bind returned".to_owned());
    }
    parse_name(text)
}

fn parse_name(text: &str) -> Result<Name, String> {
    if text.is_empty() {
        return Err("the path is empty; write ipc:///tmp/name or ipc://@name".to_owned());
    }
    if text.contains('\0') {
        return Err("a path cannot contain a zero byte".to_owned());
    }
    match text.strip_prefix('@') {
        Some(name) => parse_abstract(name),
        None => parse_path(text),
    }
}

fn parse_path(text: &str) -> Result<Name, String> {
    if text.ends_with('/') {
        return Err("the path ends in `/`; it must name the socket, not its directory".to_owned());
    }
    check_length("path", text)?;
    Ok(Name::Path(Path::new(text).to_owned()))
}

fn parse_abstract(name: &str) -> Result<Name, String> {
    if !HAS_ABSTRACT {
        return Err("abstract names (`@name`) exist only on Linux; use a path".to_owned());
    }
    if name.is_empty() {
        return Err("the abstract name after `@` is empty".to_owned());
    }
    check_length("abstract name", name)?;
    Ok(Name::Abstract(name.to_owned()))
}

/// Whether the kernel has room for the name; the error says what is wrong with it.
pub(crate) fn check_length(what: &str, text: &str) -> Result<(), String> {
    if text.len() <= MAX_BYTES {
        return Ok(());
    }
    let length = text.len();
    Err(format!(
        "the {what} has {length} bytes, the system's limit is {MAX_BYTES}; use a shorter one, or a relative path"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Name {
        Name::Path(PathBuf::from(text))
    }

    #[test]
    fn every_form_of_an_address() {
        for text in ["/tmp/a", "a", "a b", "./a", "../a", "a@b", "./@a", "/tmp/*", "/tmp/\u{e4}", "a:b;c"] {
            assert_eq!(parse_connect(text), Ok(path(text)), "{text}");
            assert_eq!(parse_bind(text), Ok(Place::Named(path(text))), "{text}");
        }
        assert_eq!(parse_bind("*"), Ok(Place::Fresh));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_names_follow_an_at_sign() {
        for (text, name) in [("@a", "a"), ("@@", "@"), ("@/tmp/a", "/tmp/a"), ("@*", "*"), ("@a/", "a/")] {
            assert_eq!(parse_connect(text), Ok(Name::Abstract(name.to_owned())), "{text}");
        }
        let address = Name::Abstract("x".repeat(MAX_BYTES)).to_socket_address().expect("it fits");
        assert_eq!(address.as_abstract_namespace(), Some("x".repeat(MAX_BYTES).as_bytes()));
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[test]
    fn abstract_names_exist_only_on_linux() {
        assert!(parse_connect("@a").expect_err("none here").contains("only on Linux"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "path is empty"),
            ("a\0b", "zero byte"),
            ("/tmp/", "ends in `/`"),
            ("@\0", "zero byte"),
            #[cfg(target_os = "linux")]
            ("@", "abstract name after `@` is empty"),
        ] {
            for error in [parse_connect(text).err(), parse_bind(text).err()] {
                assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{text:?}: {error:?}");
            }
        }
        assert!(parse_connect("*").expect_err("bind only").contains("`*` is for bind"));
    }

    #[test]
    fn the_length_is_limited_to_what_the_kernel_takes() {
        let longest = "x".repeat(MAX_BYTES);
        assert!(parse_connect(&longest).expect("it fits").to_socket_address().is_ok());
        let error = parse_connect(&format!("{longest}x")).expect_err("too long");
        assert!(error.contains(&format!("{} bytes", MAX_BYTES + 1)), "{error}");
        assert!(error.contains(&format!("limit is {MAX_BYTES}")), "{error}");
        #[cfg(target_os = "linux")]
        assert!(
            parse_connect(&format!("@{longest}x"))
                .expect_err("too long")
                .contains("abstract name has 108 bytes")
        );
    }

    #[test]
    fn names_show_as_they_were_written() {
        for text in ["/tmp/a", "./a b"] {
            assert_eq!(parse_connect(text).expect(text).to_string(), text);
        }
        #[cfg(target_os = "linux")]
        assert_eq!(parse_connect("@a").expect("abstract").to_string(), "@a");
    }
}
