//! Endpoint strings: `scheme://address`.

use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// An endpoint: which transport, and an address that this transport understands.
///
/// ```
/// let endpoint: zmq_core::Endpoint = "tcp://127.0.0.1:5555".parse()?;
/// assert_eq!((endpoint.scheme(), endpoint.address()), ("tcp", "127.0.0.1:5555"));
/// # Ok::<(), zmq_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    text: String,
    /// Invariant: `text[..scheme]` is the scheme and `text[scheme..scheme + 3]` is `://`.
    scheme: usize,
}

impl Endpoint {
    /// An endpoint of its two parts.
    pub fn new(scheme: &str, address: &str) -> Endpoint {
        Endpoint { text: format!("{scheme}://{address}"), scheme: scheme.len() }
    }

    /// The name of the transport, lower case.
    pub fn scheme(&self) -> &str {
        &self.text[..self.scheme]
    }

    /// What follows `://`.
    pub fn address(&self) -> &str {
        &self.text[self.scheme + 3..]
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for Endpoint {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl From<&Endpoint> for String {
    fn from(endpoint: &Endpoint) -> String {
        endpoint.text.clone()
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint, Error> {
        let invalid = |reason| Error::InvalidEndpoint { endpoint: text.to_owned(), reason };
        let Some((scheme, address)) = text.split_once("://") else {
            return Err(invalid("it has no transport; write it like tcp://127.0.0.1:5555".to_owned()));
        };
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(invalid(format!("{scheme:?} is not the name of a transport")));
        }
        if address.is_empty() {
            return Err(invalid(format!("nothing follows {scheme}://")));
        }
        Ok(Endpoint::new(&scheme.to_ascii_lowercase(), address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_show_as_they_were_written() {
        for text in ["tcp://127.0.0.1:5555", "ipc:///tmp/a b", "inproc://x", "my-tls+tcp://[::1]:1"] {
            assert_eq!(text.parse::<Endpoint>().map(|e| e.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("TCP://A:1".parse::<Endpoint>().map(|e| e.to_string()), Ok("tcp://A:1".to_owned()));
    }

    #[test]
    fn malformed_endpoints_say_what_is_wrong() {
        for (text, part) in [
            ("", "no transport"),
            ("localhost:5555", "no transport"),
            ("tcp:/x", "no transport"),
            ("://x", "not the name"),
            ("t c p://x", "not the name"),
            ("tcp://", "nothing follows"),
        ] {
            let error = text.parse::<Endpoint>().map_err(|e| e.to_string());
            assert!(error.as_ref().is_err_and(|e| e.contains(part)), "{text:?}: {error:?}");
        }
    }
}
