//! Reads from two sockets at once: tasks of the ventilator, and weather updates. (Start `taskvent` and `wuserver`.)
//!
//! `poller [VENTILATOR_ENDPOINT] [WEATHER_ENDPOINT]`

use std::time::Duration;
use zmq_examples::{Args, Result};

// Names for the sockets, chosen by us; an event tells the name of the socket that is ready.
const TASKS: usize = 0;
const WEATHER: usize = 1;

fn main() -> Result {
    let mut args = Args::from_env();
    let mut tasks = zmq::Pull::connect(args.value("tcp://localhost:5557"))?;
    let mut weather = zmq::Sub::builder().subscribe("10001 ").connect(args.value("tcp://localhost:5556"))?;
    args.finish()?;

    let mut poller = zmq::Poller::new()?;
    poller.add(&mut tasks, TASKS)?;
    poller.add(&mut weather, WEATHER)?;
    loop {
        // Sleeps until one of them has a message. The sockets stay ours: receive from them as always.
        let events = poller.wait(Some(Duration::from_secs(10)))?;
        if events.is_empty() {
            println!("Nothing for ten seconds. Are taskvent and wuserver running?");
        }
        for event in events {
            match event.key() {
                TASKS => println!("task of {} ms", tasks.try_recv()?.as_str()?),
                _ => println!("weather {}", weather.try_recv()?.as_str()?),
            }
        }
    }
}
