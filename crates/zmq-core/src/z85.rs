//! Z85 (RFC 32): four bytes as five printable characters, for keys in files and command lines.

/// The characters, in the order of their value.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Writes bytes in Z85 (`zmq_z85_encode`). `None` if their number is not a multiple of four.
pub fn encode(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len() / 4 * 5);
    for group in bytes.chunks(4) {
        text.extend(encode_group(group.try_into().ok()?));
    }
    Some(text)
}

fn encode_group(group: [u8; 4]) -> [char; 5] {
    let mut value = u32::from_be_bytes(group);
    let mut text = ['0'; 5];
    for place in text.iter_mut().rev() {
        *place = DIGITS.get(value as usize % 85).map_or('0', |digit| char::from(*digit));
        value /= 85;
    }
    text
}

/// Reads Z85 (`zmq_z85_decode`). `None` if it has a character that is none of Z85's, a number of them that is not a
/// multiple of five, or a group of five that stands for more than four bytes.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for group in text.as_bytes().chunks(5) {
        bytes.extend_from_slice(&decode_group(group.try_into().ok()?)?);
    }
    Some(bytes)
}

fn decode_group(group: [u8; 5]) -> Option<[u8; 4]> {
    let mut value = 0_u32;
    for character in group {
        let digit = DIGITS.iter().position(|digit| *digit == character)?;
        value = value.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
    }
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert_eq!(encode(&bytes).as_deref(), Some("HelloWorld"));
        assert_eq!(decode("HelloWorld").as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn what_is_not_z85_is_refused() {
        assert_eq!(encode(&[1, 2, 3]), None);
        for text in ["HelloWorl", "Hello World", "Hell\u{e4}", "hello\n", "#####", "%nSc1", "\"abcd"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        assert_eq!(decode("%nSc0"), Some(vec![0xFF; 4]));
        assert_eq!((encode(&[]), decode("")), (Some(String::new()), Some(Vec::new())));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_written_is_read(bytes in proptest::collection::vec(any::<[u8; 4]>(), 0..40)) {
            let bytes = bytes.concat();
            prop_assert_eq!(decode(&encode(&bytes).unwrap()), Some(bytes));
        }

        #[test]
        fn what_is_read_is_written_alike(text in "[0-9a-zA-Z.:+=^!/*?&<>()\\[\\]{}@%$#-]{0,40}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), Some(text));
            }
        }
    }
}
