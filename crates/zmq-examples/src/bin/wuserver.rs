//! Weather update server: publishes random weather of the United States, as fast as it can.
//!
//! `wuserver [ENDPOINT] [--subscribers=N] [--updates=N] [--seed=N] [--progress]`
//!
//! It publishes for ever, as the Guide's does. With `--updates=N` its day ends after so many updates; then it tells the
//! subscribers of each zip code how many there were, so that they can check that they missed none.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;
use zmq_examples::{Args, Random, Result};

const ZIP_CODES: u32 = 100_000;

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let endpoint = args.endpoint("tcp://*:5556");
    let subscribers = args.number("subscribers")?.unwrap_or(0);
    let updates = args.number("updates")?;
    let progress = args.flag("progress");
    let mut random = Random::new(args.number("seed")?);
    args.finish()?;

    let mut publisher = zmq::Pub::builder().linger(Duration::from_secs(10)).build()?;
    let bound = publisher.bind_to(&endpoint)?;
    args.announce(&bound, out)?;

    // A publisher does not wait for anybody; whoever subscribes late misses the beginning. Unless we wait first.
    publisher.wait_for_subscribers(subscribers as usize, Duration::from_secs(20))?;

    let mut published = vec![0_u32; ZIP_CODES as usize];
    let mut update = String::with_capacity(32);
    for number in 1..=updates.unwrap_or(u64::MAX) {
        // Make values that will fool the boss.
        let zip_code = random.below(ZIP_CODES);
        let temperature = i64::from(random.below(215)) - 80;
        let humidity = random.below(50) + 10;

        // Send the message to all subscribers of this zip code.
        update.clear();
        write!(update, "{zip_code:05} {temperature} {humidity}")?;
        publisher.send(&update)?;

        published[zip_code as usize] = published[zip_code as usize].wrapping_add(1);
        if progress && number % 10_000 == 0 {
            writeln!(out, "Published {number}")?;
        }
    }
    for (zip_code, count) in published.iter().enumerate() {
        publisher.send(format!("{zip_code:05} closed {count}"))?;
    }
    Ok(())
}
