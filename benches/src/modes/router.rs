//! A ROUTER that answers many DEALERs, each with one request under way.

use crate::Result;
use crate::measure::{Usage, now_ns, print_rate, rss_kb, seconds_since};
use crate::peer::{Peer, Side};
use crate::setup::{Payload, Setup};
use std::time::Duration;
use zmq_patterns::kind;

const QUIT: &[u8] = b"QUIT";

/// Answers until it is told to quit.
pub fn router(setup: &Setup, side: Side) -> Result<()> {
    let mut options = setup.options();
    options.stream.backlog = 4096;
    let mut socket = zmq::Router::with_options(&setup.context, options)?;
    side.say(&setup.bind(&mut socket)?)?;
    loop {
        // The first frame says who asked, and so who gets the answer.
        let request = socket.recv()?;
        if request.get(1).is_some_and(|body| body == QUIT) {
            break;
        }
        socket.send(request)?;
    }
    socket.close(Some(Duration::ZERO));
    Ok(())
}

pub fn run(setup: &Setup) -> Result<()> {
    let count = setup.args.number();
    let mut router = Peer::start(setup, "router", "", "")?;
    let endpoint = router.line()?;
    std::thread::sleep(Duration::from_millis(50));
    let rss_before = rss_kb(router.pid());

    let payload = setup.payload();
    let started = now_ns();
    let mut dealers = connect(setup, &endpoint, count, &payload)?;
    let establish_seconds = seconds_since(started);
    std::thread::sleep(Duration::from_millis(200));
    let rss_after = rss_kb(router.pid());

    let before = Usage::of_this_process();
    let started = now_ns();
    let wanted = setup.args.count;
    if let [only] = &mut dealers[..] {
        one_dealer(only, wanted, &payload)?;
    } else {
        many_dealers(&mut dealers, wanted, &payload)?;
    }
    let seconds = seconds_since(started);
    let here = Usage::of_this_process() - before;

    dealers[0].send(QUIT)?;
    let there = router.finish()?;
    let extra = format!(
        "establish_s={establish_seconds:.4} rss_base_kb={rss_before} rss_n_kb={rss_after} kb_per_conn={:.2}",
        (rss_after - rss_before) as f64 / count as f64
    );
    print_rate(wanted, setup.args.size, seconds, here, there, &extra);
    for dealer in dealers {
        dealer.close(Some(Duration::ZERO));
    }
    Ok(())
}

/// Connects all, each with one round trip.
fn connect(setup: &Setup, endpoint: &str, count: usize, payload: &Payload) -> Result<Vec<zmq::Dealer>> {
    let mut dealers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut dealer = setup.socket::<kind::Dealer>()?;
        dealer.connect_to(endpoint)?;
        dealer.send(payload.frame())?;
        dealers.push(dealer);
    }
    for dealer in &mut dealers {
        dealer.recv()?;
    }
    Ok(dealers)
}

fn one_dealer(dealer: &mut zmq::Dealer, wanted: u64, payload: &Payload) -> Result<()> {
    for _ in 0..wanted {
        dealer.send(payload.frame())?;
        dealer.recv()?;
    }
    Ok(())
}

fn many_dealers(dealers: &mut [zmq::Dealer], wanted: u64, payload: &Payload) -> Result<()> {
    let mut poller = zmq::Poller::new()?;
    let (mut sent, mut got) = (0, 0);
    for (key, dealer) in dealers.iter_mut().enumerate() {
        poller.add(dealer, key)?;
        if sent < wanted {
            dealer.send(payload.frame())?;
            sent += 1;
        }
    }
    while got < wanted {
        let ready = poller.wait(Some(Duration::from_secs(20)))?;
        if ready.is_empty() {
            return Err(format!("{got} of {wanted} answers, and no more for 20 s").into());
        }
        for event in ready {
            let dealer = &mut dealers[event.key()];
            match dealer.try_recv() {
                Ok(_) => got += 1,
                Err(zmq::Error::WouldBlock) => continue,
                Err(error) => return Err(error.into()),
            }
            if sent < wanted {
                dealer.send(payload.frame())?;
                sent += 1;
            }
        }
    }
    Ok(())
}
