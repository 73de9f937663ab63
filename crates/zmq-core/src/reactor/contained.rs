//! A panic ends one connection, and not the thread that all of them share.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls what others may have written. A panic in it is the error of whatever it was called for; the thread, and with it
/// everything else, goes on.
pub(super) fn contained<T>(call: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of no known reason");
        io::Error::other(format!("the code of the connection panicked: {text}"))
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_why() {
        assert_eq!(contained(|| 1).unwrap(), 1);
        let number = 7;
        let of = |panic: fn(u8) -> u8| contained(|| panic(number)).unwrap_err().to_string();
        assert_eq!(of(|_| panic!("plain")), "the code of the connection panicked: plain");
        assert_eq!(of(|number| panic!("number {number}")), "the code of the connection panicked: number 7");
        assert_eq!(
            of(|number| std::panic::panic_any(number)),
            "the code of the connection panicked: of no known reason"
        );
    }
}
