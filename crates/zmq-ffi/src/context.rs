//! Contexts: what is set before the first socket, and the end.

use crate::error::{Errno, Result};
use crate::handles::Handles;
use crate::lock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::{c_int, c_void};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The contexts that are not terminated.
static CONTEXTS: Handles<Mutex<Option<Arc<Context>>>> = Handles::new();

/// How often it is looked whether what lingers is sent.
const LINGERING: Duration = Duration::from_millis(5);

pub(crate) struct Context {
    settings: Mutex<Settings>,
    /// Made with the first socket.
    native: Mutex<Option<zmq::Context>>,
    shut_down: AtomicBool,
    population: Mutex<Population>,
    monitors: Mutex<Vec<JoinHandle<()>>>,
}

/// The sockets that are not closed yet, and who waits for them.
#[derive(Default)]
struct Population {
    sockets: usize,
    waiting: Vec<UnixStream>,
}

/// What can be set.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) io_threads: usize,
    pub(crate) max_sockets: usize,
    pub(crate) max_message_size: c_int,
    /// What the names of the I/O threads begin with.
    pub(crate) thread_name: String,
    /// Whether sockets linger without limit (`ZMQ_BLOCKY`).
    pub(crate) blocky: bool,
    pub(crate) ipv6: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            io_threads: 1,
            max_sockets: 1023,
            max_message_size: c_int::MAX,
            thread_name: String::new(),
            blocky: true,
            ipv6: false,
        }
    }
}

/// A new context, and its handle.
pub(crate) fn create(io_threads: usize) -> Result<*mut c_void> {
    let context = Arc::new(Context {
        settings: Mutex::new(Settings { io_threads, ..Settings::default() }),
        native: Mutex::default(),
        shut_down: AtomicBool::new(false),
        population: Mutex::default(),
        monitors: Mutex::default(),
    });
    CONTEXTS.insert(context).ok_or(Errno::EMFILE)
}

/// The context that the handle stands for.
pub(crate) fn find(handle: *const c_void) -> Result<Arc<Context>> {
    CONTEXTS.with(handle, |context| Ok(context.clone()))
}

/// Waits until every socket is closed and what they linger for is sent; then the handle is void.
pub(crate) fn terminate(handle: *const c_void) -> Result<()> {
    find(handle)?.terminate()?;
    // Another thread may have been faster.
    let _ = CONTEXTS.remove(handle);
    Ok(())
}

impl Context {
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    pub(crate) fn change_settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        change(&mut lock(&self.settings))
    }

    /// The context of the Rust library.
    pub(crate) fn native(&self) -> Result<zmq::Context> {
        let mut native = lock(&self.native);
        if self.shut_down.load(Ordering::Acquire) {
            return Err(Errno::ETERM);
        }
        if let Some(native) = &*native {
            return Ok(native.clone());
        }
        let settings = self.settings();
        let builder = zmq::context_builder().io_threads(settings.io_threads.max(1));
        let builder = match settings.thread_name.as_str() {
            "" => builder,
            name => builder.thread_name(format!("{name}/zmq-io")),
        };
        Ok(native.insert(builder.build()?).clone())
    }

    pub(crate) fn shutdown(&self) {
        let native = lock(&self.native);
        self.shut_down.store(true, Ordering::Release);
        if let Some(native) = &*native {
            native.shutdown();
        }
    }

    /// Notes one more socket.
    pub(crate) fn enter(&self) -> Result<()> {
        let limit = self.settings().max_sockets;
        let mut population = lock(&self.population);
        if population.sockets >= limit {
            return Err(Errno::EMFILE);
        }
        population.sockets += 1;
        Ok(())
    }

    /// One socket fewer.
    pub(crate) fn leave(&self) {
        let mut population = lock(&self.population);
        population.sockets -= 1;
        // Who waits has gone if this fails.
        population.waiting.retain_mut(|waiting| waiting.write_all(&[0]).is_ok());
    }

    /// A thread that passes on the events of a socket; it ends with the socket.
    pub(crate) fn keep(&self, monitor: JoinHandle<()>) {
        let mut monitors = lock(&self.monitors);
        monitors.retain(|monitor| !monitor.is_finished());
        monitors.push(monitor);
    }

    fn terminate(&self) -> Result<()> {
        if lock(&self.native).as_ref().is_some_and(zmq::Context::is_inherited) {
            // The parent's: nothing of it may be touched, and no thread of it is here.
            return Ok(());
        }
        self.shutdown();
        self.await_empty()?;
        for monitor in std::mem::take(&mut *lock(&self.monitors)) {
            let _ = monitor.join();
        }
        let Some(native) = lock(&self.native).clone() else { return Ok(()) };
        while native.wait_for_sends(Duration::ZERO).is_err() {
            sleep(LINGERING)?;
        }
        // Ends the I/O threads, once the other handles are gone.
        drop(native);
        drop(lock(&self.native).take());
        Ok(())
    }

    /// Waits until every socket is closed.
    fn await_empty(&self) -> Result<()> {
        let (mut news, sender) = UnixStream::pair().map_err(|_| Errno::EMFILE)?;
        lock(&self.population).waiting.push(sender);
        while lock(&self.population).sockets > 0 {
            let mut fds = [PollFd::new(news.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE).map_err(|_| Errno::EINTR)?;
            let _ = news.read(&mut [0; 64]);
        }
        Ok(())
    }
}

/// Sleeps, unless a signal comes.
fn sleep(time: Duration) -> Result<()> {
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
    poll(&mut [], timeout).map(drop).map_err(|_| Errno::EINTR)
}
