//! Contexts: what is set before the first socket, and the end.

use crate::c::schedule::Schedule;
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
use std::task::{Poll, Wake, Waker};
use std::thread::JoinHandle;

/// The contexts that are not terminated.
static CONTEXTS: Handles<Mutex<Option<Arc<Context>>>> = Handles::new();

pub(crate) struct Context {
    settings: Mutex<Settings>,
    /// Made with the first socket.
    native: Mutex<Option<zmq::Context>>,
    shut_down: AtomicBool,
    population: Mutex<Population>,
    monitors: Mutex<Vec<JoinHandle<()>>>,
    /// Made when a thread waits for the end. Others that do so too wait for that thread.
    end: Mutex<Option<End>>,
}

/// The sockets that are not closed yet, and who waits for them.
#[derive(Default)]
struct Population {
    sockets: usize,
    /// How many there may be; known with the first.
    limit: usize,
    waiting: Option<Waker>,
}

/// How a thread waits so that a signal interrupts it.
struct End {
    news: UnixStream,
    waker: Waker,
}

/// The other side of `news`.
struct Bell(UnixStream);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // If it is full there is news enough.
        let _ = (&self.0).write(&[0]);
    }
}

/// What can be set.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) io_threads: usize,
    pub(crate) max_sockets: usize,
    pub(crate) max_message_size: c_int,
    /// What the names of its threads begin with.
    pub(crate) thread_name: String,
    pub(crate) schedule: Schedule,
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
            schedule: Schedule::default(),
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
        end: Mutex::default(),
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

impl Settings {
    /// A thread as they say.
    pub(crate) fn start_thread(
        &self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>> {
        let schedule = self.schedule.clone();
        let run = move || {
            // It was allowed to the first thread.
            let _ = schedule.apply();
            run();
        };
        let started = std::thread::Builder::new().name(self.name_of_thread(name)).spawn(run);
        started.map_err(|_| Errno::EAGAIN)
    }

    fn name_of_thread(&self, name: &str) -> String {
        match self.thread_name.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// The context of the Rust library.
    fn build(&self) -> Result<zmq::Context> {
        let mut builder = zmq::context_builder()
            .io_threads(self.io_threads.max(1))
            .thread_name(self.name_of_thread("zmq-io"))
            // They are counted here.
            .max_sockets(usize::MAX);
        if self.max_message_size != c_int::MAX {
            builder = builder.max_message_size(self.max_message_size.unsigned_abs().into());
        }
        if self.schedule != Schedule::default() {
            let schedule = self.schedule.clone();
            // Whether the system allows it is asked on a thread of its own, since I/O threads have nobody to tell.
            std::thread::spawn(move || schedule.apply()).join().map_err(|_| Errno::DEFECT)??;
            let schedule = self.schedule.clone();
            builder = builder.on_thread_start(move || {
                let _ = schedule.apply();
            });
        }
        Ok(builder.build()?)
    }
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
        let made = settings.build()?;
        lock(&self.population).limit = settings.max_sockets;
        Ok(native.insert(made).clone())
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
        let mut population = lock(&self.population);
        if population.sockets >= population.limit {
            return Err(Errno::EMFILE);
        }
        population.sockets += 1;
        Ok(())
    }

    /// One socket fewer.
    pub(crate) fn leave(&self) {
        let mut population = lock(&self.population);
        population.sockets -= 1;
        if population.sockets == 0
            && let Some(waiting) = population.waiting.take()
        {
            waiting.wake();
        }
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
        let mut end = lock(&self.end);
        let end = match &mut *end {
            Some(end) => end,
            none => none.insert(End::new()?),
        };
        self.shutdown();
        end.wait_until(|task| self.poll_empty(task))?;
        for monitor in std::mem::take(&mut *lock(&self.monitors)) {
            let _ = monitor.join();
        }
        let Some(native) = lock(&self.native).clone() else { return Ok(()) };
        end.wait_until(|task| native.poll_sends(task))?;
        // Ends the I/O threads, once the other handles are gone.
        drop(native);
        drop(lock(&self.native).take());
        Ok(())
    }

    /// Whether every socket is closed; if not, the task is woken when it is so.
    fn poll_empty(&self, task: &mut std::task::Context<'_>) -> Poll<()> {
        let mut population = lock(&self.population);
        if population.sockets == 0 {
            return Poll::Ready(());
        }
        population.waiting = Some(task.waker().clone());
        Poll::Pending
    }
}

impl End {
    fn new() -> Result<End> {
        let (news, bell) = UnixStream::pair().map_err(|_| Errno::EMFILE)?;
        bell.set_nonblocking(true).map_err(|_| Errno::EMFILE)?;
        Ok(End { news, waker: Arc::new(Bell(bell)).into() })
    }

    /// # Errors
    /// `EINTR`: a signal came.
    fn wait_until(&mut self, mut done: impl FnMut(&mut std::task::Context<'_>) -> Poll<()>) -> Result<()> {
        let mut task = std::task::Context::from_waker(&self.waker);
        while done(&mut task).is_pending() {
            let mut fds = [PollFd::new(self.news.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE).map_err(|_| Errno::EINTR)?;
            let _ = self.news.read(&mut [0; 64]);
        }
        Ok(())
    }
}
