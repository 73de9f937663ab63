//! Weather update client: collects the updates of one zip code and finds their average temperature.
//!
//! `wuclient [ZIP_CODE] [ENDPOINT] [--updates=N] [--until-closed]`

use std::io::Write;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let zip_code = args.value("10001");
    let endpoint = args.endpoint("tcp://localhost:5556");
    let wanted = args.number("updates")?.unwrap_or(100);
    let until_closed = args.flag("until-closed");
    args.finish()?;

    writeln!(out, "Collecting updates from weather server…")?;
    // A subscriber gets the messages that begin with what it subscribes to; the blank keeps "1000" from meaning "10001".
    let filter = format!("{zip_code} ");
    let mut subscriber = zmq::Sub::builder().subscribe(&filter).connect(&endpoint)?;

    let (mut count, mut total) = (0_u64, 0_i64);
    while until_closed || count < wanted {
        let message = subscriber.recv()?;
        let mut fields = message.as_str()?.split(' ').skip(1);
        let (Some(temperature), Some(last)) = (fields.next(), fields.next()) else {
            return Err(format!("this is no weather: {message:?}").into());
        };
        if temperature == "closed" {
            // The server's day is over, and it says how many updates there were.
            let published: u64 = last.parse()?;
            writeln!(out, "Received {count} of {published} updates")?;
            if count != published {
                return Err(format!("{} updates were missed", published.abs_diff(count)).into());
            }
            break;
        }
        total += temperature.parse::<i64>()?;
        count += 1;
    }
    match total.checked_div(i64::try_from(count)?) {
        Some(average) => writeln!(out, "Average temperature for zipcode '{filter}' was {average}F")?,
        None => writeln!(out, "No updates for zipcode '{filter}'")?,
    }
    Ok(())
}
