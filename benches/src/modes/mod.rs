//! What is measured, and the parts that the other end plays in it.

mod big;
mod latency;
mod publish;
mod router;
mod tasks;
mod throughput;
mod weather;

use crate::Result;
use crate::peer::Side;
use crate::setup::Setup;

type Mode = fn(&Setup) -> Result<()>;
type Role = fn(&Setup, Side) -> Result<()>;

pub fn mode(name: &str) -> Result<Mode> {
    Ok(match name {
        "throughput" | "multipart" => throughput::run,
        "latency" => latency::run,
        "pubsub" | "submatch" => publish::run,
        "router" => router::run,
        "big" => big::run,
        "weather" => weather::run,
        "tasks" => tasks::run,
        _ => return Err(format!("unknown mode {name}").into()),
    })
}

pub fn role(name: &str) -> Result<Role> {
    Ok(match name {
        "sender" => throughput::sender,
        "echo" => latency::echo,
        "publisher" => publish::publisher,
        "router" => router::router,
        "big" => big::sender,
        "station" => weather::station,
        "listener" => weather::listener,
        _ => return Err(format!("unknown role {name}").into()),
    })
}
