//! Sockets in an event loop that is not ours: a plain `poll` on their descriptors.

mod common;

use common::{LONG, for_each_transport};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use zmq::{Context, Descriptor, Error, Readiness};

/// Whether it is readable now, or becomes so in time.
fn is_readable(descriptor: &Descriptor, wait: Duration) -> bool {
    let mut fds = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(wait).unwrap();
    poll(&mut fds, timeout).unwrap() == 1
}

/// Until it is quiet: the news of peers that come is looked at.
fn settle(descriptor: &Descriptor, mut look: impl FnMut()) {
    let started = Instant::now();
    while is_readable(descriptor, Duration::from_millis(50)) {
        look();
        assert!(started.elapsed() < LONG, "it stays readable with nothing to do");
    }
}

fn on_each_transport(test: impl Fn(&Context, &str)) {
    for_each_transport(|endpoint| test(&zmq::context_builder().build().unwrap(), endpoint));
}

#[test]
fn it_is_readable_as_long_as_a_message_is_there() {
    on_each_transport(|context, endpoint| {
        let mut pull = zmq::Pull::new_in(context).unwrap();
        let descriptor = pull.descriptor().unwrap();
        let bound = pull.bind_to(endpoint).unwrap().to_string();
        let mut push = zmq::Push::new_in(context).unwrap();
        push.connect_to(&bound).unwrap();
        settle(&descriptor, || assert!(matches!(pull.try_recv(), Err(Error::WouldBlock))));
        for round in 0..200_u32 {
            for part in 0..3_u32 {
                push.send((round * 3 + part).to_string()).unwrap();
            }
            // One message at a time: it stays readable for the next.
            for part in 0..3_u32 {
                let started = Instant::now();
                let message = loop {
                    assert!(is_readable(&descriptor, LONG), "{endpoint}: {round} {part}");
                    match pull.try_recv() {
                        Ok(message) => break message,
                        Err(error) => assert!(matches!(error, Error::WouldBlock) && started.elapsed() < LONG),
                    }
                };
                assert_eq!(message, (round * 3 + part).to_string().into());
            }
        }
        settle(&descriptor, || assert!(matches!(pull.try_recv(), Err(Error::WouldBlock))));
        assert_eq!(pull.readiness().unwrap(), Readiness { readable: false, writable: false });
    });
}

/// A loop that reads now and then, while messages come at any time: none is missed.
#[test]
fn nothing_is_missed_however_they_meet() {
    on_each_transport(|context, endpoint| {
        let mut pull = zmq::Pull::new_in(context).unwrap();
        let bound = pull.bind_to(endpoint).unwrap().to_string();
        let descriptor = pull.descriptor().unwrap();
        let (inside, count) = (context.clone(), 3000_u32);
        let sender = std::thread::spawn(move || {
            let mut push = zmq::Push::new_in(&inside).unwrap();
            push.connect_to(bound).unwrap();
            for number in 0..count {
                push.send(number.to_string()).unwrap();
                match number % 97 {
                    0 => std::thread::sleep(Duration::from_millis(3)),
                    n if n % 5 == 0 => std::thread::yield_now(),
                    _ => {}
                }
            }
            push
        });
        let mut next = 0;
        while next < count {
            assert!(is_readable(&descriptor, LONG), "{endpoint}: {next} of {count}");
            match pull.try_recv() {
                Ok(message) => {
                    assert_eq!(message, next.to_string().into());
                    next += 1;
                }
                Err(error) => assert!(matches!(error, Error::WouldBlock), "{error}"),
            }
        }
        drop(sender.join().unwrap());
    });
}

#[test]
fn room_makes_it_readable_and_looking_settles_it() {
    on_each_transport(|context, endpoint| {
        let options = || common::options(|options| (options.send_hwm, options.recv_hwm) = (10, 10));
        let mut pull = zmq::Pull::with_options(context, options()).unwrap();
        let bound = pull.bind_to(endpoint).unwrap().to_string();
        let mut push = zmq::Push::with_options(context, options()).unwrap();
        push.connect_to(bound).unwrap();
        let descriptor = push.descriptor().unwrap();
        settle(&descriptor, || assert!(!push.readiness().unwrap().readable));
        let body = vec![7; 100_000];
        let mut sent = 0;
        while push.send_timeout(body.clone(), Duration::from_millis(300)).is_ok() {
            sent += 1;
        }
        settle(&descriptor, || assert!(!push.readiness().unwrap().writable));
        for _ in 0..sent {
            assert_eq!(pull.recv_timeout(LONG).unwrap().size(), body.len());
        }
        let started = Instant::now();
        while !push.readiness().unwrap().writable {
            assert!(is_readable(&descriptor, LONG) && started.elapsed() < LONG, "{endpoint}");
        }
        push.send(body.clone()).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap().size(), body.len());
    });
}

#[test]
fn a_shutdown_makes_it_readable() {
    on_each_transport(|context, endpoint| {
        let mut pull = zmq::Pull::new_in(context).unwrap();
        pull.bind_to(endpoint).unwrap();
        let descriptor = pull.descriptor().unwrap();
        settle(&descriptor, || assert!(!pull.readiness().unwrap().readable));
        context.shutdown();
        assert!(is_readable(&descriptor, LONG));
        assert!(matches!(pull.try_recv(), Err(Error::Terminated)));
        // It outlives its socket, and says nothing then.
        drop(pull);
        let _ = is_readable(&descriptor, Duration::ZERO);
    });
}
