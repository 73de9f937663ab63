//! Errors, the version, keys, counters, stopwatches, threads.

use super::{bytes, exported, store, text};
use crate::error::Errno;
use crate::handles::Handles;
use crate::lock;
use nix::libc;
use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zmq::curve::{KeyPair, SecretKey};
use zmq::z85;

/// The version of libzmq whose interface this is.
const VERSION: [c_int; 3] = [4, 3, 5];

/// The characters of a key in Z85, and the final NUL.
const KEY: usize = 41;

/// What `zmq_threadstart` runs.
pub type ThreadFunction = unsafe extern "C" fn(*mut c_void);

struct Argument(*mut c_void);

// SAFETY: the program gave it away for the new thread.
unsafe impl Send for Argument {}

#[derive(Default)]
struct Counter {
    value: AtomicI32,
    used: AtomicBool,
}

static COUNTERS: Handles<Counter> = Handles::new();
static WATCHES: Handles<Mutex<Option<Instant>>> = Handles::new();
static THREADS: Handles<Mutex<Option<JoinHandle<()>>>> = Handles::new();

fn counter(handle: *const c_void) -> Result<&'static Counter, Errno> {
    COUNTERS.find(handle).filter(|counter| counter.used.load(Ordering::Relaxed)).ok_or(Errno::EFAULT)
}

fn elapsed(started: Instant) -> c_ulong {
    started.elapsed().as_micros() as c_ulong
}

/// Writes a key in Z85.
///
/// # Safety
/// The pointer is null, or there is room for 41 characters.
unsafe fn store_key(place: *mut c_char, key: &str) -> Result<(), Errno> {
    let mut characters = [0; KEY];
    for (character, byte) in characters.iter_mut().zip(key.bytes().take(KEY - 1)) {
        *character = byte as c_char;
    }
    // SAFETY: as the caller says.
    unsafe { store(place.cast(), characters) }
}

exported! {
    /// The error of the last call of this thread that failed.
    fn zmq_errno() -> c_int, or 0, {
        Ok(Errno::get())
    }

    /// An error in words.
    fn zmq_strerror(error: c_int) -> *const c_char, or std::ptr::null(), {
        Ok(match Errno(error).own_text() {
            Some(text) => CStr::as_ptr(text),
            // SAFETY: takes a number.
            None => unsafe { libc::strerror(error) },
        })
    }

    /// The version of libzmq whose interface this is.
    fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) -> (), or (), {
        for (place, number) in [major, minor, patch].into_iter().zip(VERSION) {
            // SAFETY: a place for a number.
            unsafe { store(place, number) }?;
        }
        Ok(())
    }

    /// Writes bytes in Z85, and a final NUL. Their number is a multiple of four.
    fn zmq_z85_encode(place: *mut c_char, data: *const u8, size: usize) -> *mut c_char, or std::ptr::null_mut(), {
        // SAFETY: so many bytes.
        let encoded = z85::encode(unsafe { bytes(data.cast(), size) }?).ok_or(Errno::EINVAL)?;
        let encoded = crate::options::terminated(&encoded);
        if place.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the program has made room for it.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(encoded.as_ptr(), encoded.len()) };
        Ok(place)
    }

    /// Reads Z85.
    fn zmq_z85_decode(place: *mut u8, encoded: *const c_char) -> *mut u8, or std::ptr::null_mut(), {
        // SAFETY: a text.
        let encoded = unsafe { text(encoded) }?;
        let decoded = z85::decode(encoded).filter(|decoded| !decoded.is_empty()).ok_or(Errno::EINVAL)?;
        if place.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the program has made room for it.
        unsafe { place.copy_from_nonoverlapping(decoded.as_ptr(), decoded.len()) };
        Ok(place)
    }

    /// A fresh pair of keys, in Z85, 41 characters each.
    fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int, or -1, {
        let pair = KeyPair::generate()?;
        // SAFETY: there is room for them.
        unsafe {
            store_key(public, &pair.public().to_string())?;
            store_key(secret, &pair.secret().to_z85())?;
        }
        Ok(0)
    }

    /// The public key that belongs to a secret one.
    fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int, or -1, {
        // SAFETY: a text, and room for a key.
        unsafe {
            let secret: SecretKey = text(secret)?.parse()?;
            store_key(public, &secret.public().to_string())?;
        }
        Ok(0)
    }

    /// A counter that is zero.
    fn zmq_atomic_counter_new() -> *mut c_void, or std::ptr::null_mut(), {
        let counter = COUNTERS.take().ok_or(Errno::ENOMEM)?;
        counter.value.store(0, Ordering::Relaxed);
        counter.used.store(true, Ordering::Relaxed);
        Ok(Handles::handle(counter))
    }

    /// Sets it.
    fn zmq_atomic_counter_set(handle: *mut c_void, value: c_int) -> (), or (), {
        counter(handle)?.value.store(value, Ordering::Relaxed);
        Ok(())
    }

    /// Adds one, and returns what it was.
    fn zmq_atomic_counter_inc(handle: *mut c_void) -> c_int, or -1, {
        Ok(counter(handle)?.value.fetch_add(1, Ordering::AcqRel))
    }

    /// Takes one, and returns whether it is not zero then.
    fn zmq_atomic_counter_dec(handle: *mut c_void) -> c_int, or -1, {
        Ok((counter(handle)?.value.fetch_sub(1, Ordering::AcqRel) != 1).into())
    }

    /// Its value.
    fn zmq_atomic_counter_value(handle: *mut c_void) -> c_int, or -1, {
        Ok(counter(handle)?.value.load(Ordering::Acquire))
    }

    /// Ends it; the place of the handle is null then.
    fn zmq_atomic_counter_destroy(handle: *mut *mut c_void) -> (), or (), {
        // SAFETY: a place of a handle, unless it is null.
        let place = unsafe { handle.as_mut() }.ok_or(Errno::EFAULT)?;
        let counter = counter(*place)?;
        if counter.used.swap(false, Ordering::Relaxed) {
            COUNTERS.give_back(counter);
        }
        *place = std::ptr::null_mut();
        Ok(())
    }

    /// Starts a stopwatch.
    fn zmq_stopwatch_start() -> *mut c_void, or std::ptr::null_mut(), {
        WATCHES.insert(Instant::now()).ok_or(Errno::ENOMEM)
    }

    /// The microseconds since it was started.
    fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong, or 0, {
        WATCHES.with(watch, |started| Ok(elapsed(*started)))
    }

    /// The microseconds since it was started; ends it.
    fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong, or 0, {
        WATCHES.remove(watch).map(elapsed)
    }

    /// Sleeps so many seconds.
    fn zmq_sleep(seconds: c_int) -> (), or (), {
        std::thread::sleep(Duration::from_secs(seconds.max(0).unsigned_abs().into()));
        Ok(())
    }

    /// Runs a function on a thread of its own.
    fn zmq_threadstart(
        function: Option<ThreadFunction>,
        argument: *mut c_void,
    ) -> *mut c_void, or std::ptr::null_mut(), {
        let (function, argument) = (function.ok_or(Errno::EFAULT)?, Argument(argument));
        let run = move || {
            let argument = argument;
            // SAFETY: the program gave the function for just this.
            unsafe { function(argument.0) };
        };
        let slot = THREADS.take().ok_or(Errno::ENOMEM)?;
        match std::thread::Builder::new().spawn(run) {
            Ok(thread) => *lock(slot) = Some(thread),
            Err(error) => {
                THREADS.give_back(slot);
                return Err(Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)));
            }
        }
        Ok(Handles::handle(slot))
    }

    /// Waits until it has ended.
    fn zmq_threadclose(thread: *mut c_void) -> (), or (), {
        let _ = THREADS.remove(thread)?.join();
        Ok(())
    }
}
