//! The `inproc://` transport: sockets of one process and one context, joined by frame pipes.
//!
//! An address is any text, such as `inproc://workers`. Either side may come first: a connect to a name that is not
//! bound yet waits, and what is sent meanwhile waits with it. `inproc://*` binds to a fresh name.
//!
//! Register one `Inproc` per context; names of different instances are not related.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zmq_core::direct::{Pending, Port};
use zmq_core::transport::{DirectTransport, Guard, Transport, TransportKind};
use zmq_core::{Error, Result};

/// The longest name, as in libzmq.
const MAX_NAME: usize = 255;

/// The transport; see the [crate documentation](crate).
#[derive(Default)]
pub struct Inproc {
    names: Arc<Names>,
}

impl Inproc {
    /// A transport that knows no name yet.
    pub fn new() -> Inproc {
        Inproc::default()
    }
}

impl Transport for Inproc {
    fn scheme(&self) -> &str {
        "inproc"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Direct(self)
    }
}

impl DirectTransport for Inproc {
    fn bind(&self, address: &str, port: Port) -> Result<(String, Guard)> {
        check(address)?;
        let (name, waiting) = self.names.bind(address, port.clone())?;
        for pending in waiting {
            // Where the two do not fit the one that waited is told so by its monitor.
            let _ = pending.join(&port);
        }
        let bound = Bound { names: self.names.clone(), name: name.clone() };
        Ok((name, Box::new(bound)))
    }

    fn connect(&self, address: &str, port: Port) -> Result<Guard> {
        check(address)?;
        let pending = port.connect()?;
        match self.names.find_or_wait(address, pending) {
            Found::Bound(acceptor, pending) => {
                pending.join(&acceptor)?;
                Ok(Box::new(()))
            }
            Found::Waits(ticket) => {
                Ok(Box::new(Waiting { names: self.names.clone(), name: address.to_owned(), ticket }))
            }
        }
    }

    fn bound(&self, address: &str) -> Option<Port> {
        self.names.lock().bound.get(address).cloned()
    }
}

fn check(address: &str) -> Result<()> {
    if address.len() > MAX_NAME {
        let reason = format!("the name has {} bytes, and {MAX_NAME} are allowed", address.len());
        return Err(Error::InvalidEndpoint { endpoint: format!("inproc://{address}"), reason });
    }
    Ok(())
}

#[derive(Default)]
struct Names {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    bound: HashMap<String, Port>,
    waiting: HashMap<String, Vec<(u64, Pending)>>,
    /// Tells waiting connects, and fresh names, apart.
    next: u64,
}

enum Found {
    Bound(Port, Box<Pending>),
    Waits(u64),
}

impl Names {
    /// Enters the name, and returns it with those who waited for it.
    fn bind(&self, address: &str, port: Port) -> Result<(String, Vec<Pending>)> {
        let mut table = self.lock();
        let name = if address == "*" { table.fresh_name() } else { address.to_owned() };
        if table.bound.contains_key(&name) {
            return Err(Error::AddressInUse { endpoint: format!("inproc://{name}") });
        }
        table.bound.insert(name.clone(), port);
        let waiting = table.waiting.remove(&name).unwrap_or_default();
        Ok((name, waiting.into_iter().map(|(_, pending)| pending).collect()))
    }

    fn find_or_wait(&self, name: &str, mut pending: Pending) -> Found {
        let mut table = self.lock();
        if let Some(port) = table.bound.get(name) {
            return Found::Bound(port.clone(), Box::new(pending));
        }
        pending.wait();
        table.next += 1;
        let ticket = table.next;
        table.waiting.entry(name.to_owned()).or_default().push((ticket, pending));
        Found::Waits(ticket)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn fresh_name(&mut self) -> String {
        loop {
            self.next += 1;
            let name = format!("fresh-{}", self.next);
            if !self.bound.contains_key(&name) {
                return name;
            }
        }
    }
}

/// A name that is taken until this is dropped.
struct Bound {
    names: Arc<Names>,
    name: String,
}

impl Drop for Bound {
    fn drop(&mut self) {
        let port = self.names.lock().bound.remove(&self.name);
        drop(port);
    }
}

/// A connect that waits until this is dropped.
struct Waiting {
    names: Arc<Names>,
    name: String,
    ticket: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.names.lock();
        let Some(waiting) = table.waiting.get_mut(&self.name) else { return };
        let found = waiting.iter().position(|(ticket, _)| *ticket == self.ticket);
        let pending = found.map(|index| waiting.swap_remove(index));
        if waiting.is_empty() {
            table.waiting.remove(&self.name);
        }
        drop(table);
        drop(pending);
    }
}
