use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn wrong(guesses: &Guesses, name: &str, client: IpAddr, now: Instant, times: u32) -> u32 {
    (0..times).map(|_| u32::from(guesses.try_take(name, client, now).is_ok())).sum()
}

#[test]
fn a_name_at_an_address_has_few_attempts_and_then_one_in_a_while() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    assert_eq!(wrong(&guesses, "ann", HERE, now, 1000), OF_PAIR.burst);
    assert_eq!(guesses.try_take("ann", HERE, now).err(), Some(Early::TooMany(TooMany(OF_PAIR.refill))));
    let later = now + OF_PAIR.refill;
    assert_eq!(wrong(&guesses, "ann", HERE, later, 1000), 1);
    assert_eq!(wrong(&guesses, "ann", HERE, later + Duration::from_secs(3600), 1000), OF_PAIR.burst);
}

#[test]
fn guessing_here_locks_out_neither_who_is_elsewhere_nor_other_names() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    wrong(&guesses, "ann", HERE, now, 1000);
    assert!(guesses.try_take("ann", THERE, now).is_ok());
    assert!(guesses.try_take("bob", HERE, now).is_ok());
}

#[test]
fn who_is_right_never_runs_out() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    for _ in 0..5000 {
        guesses.right(guesses.try_take("ann", HERE, now).unwrap(), now);
    }
}

/// As a pool opens its connections: all at once, and all right.
#[tokio::test]
async fn attempts_at_the_same_time_wait_for_each_other() {
    let guesses = Guesses::default();
    let mut held = Vec::new();
    for _ in 0..OF_PAIR.burst {
        held.push(guesses.take("ann", HERE).await.unwrap());
    }
    let mut next = std::pin::pin!(guesses.take("ann", HERE));
    assert!(is_pending(next.as_mut()));
    guesses.right(held.pop().unwrap(), Instant::now());
    held.push(next.await.unwrap());
    let mut last = std::pin::pin!(guesses.take("ann", HERE));
    assert!(is_pending(last.as_mut()));
    // All were wrong: nobody waits any more.
    drop(held);
    assert!(last.await.is_err());
    assert!(guesses.lock().pending.is_empty());
}

fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}

#[test]
fn an_address_has_an_end_for_all_names_but_not_for_those_that_were_right_there() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    guesses.right(guesses.try_take("ann", HERE, now).unwrap(), now);
    let passed: u32 = (0..1000).map(|n| wrong(&guesses, &format!("n{n}"), HERE, now, 1)).sum();
    assert_eq!(passed, OF_ADDRESS.burst);
    assert!(guesses.try_take("bob", HERE, now).is_err() && guesses.wrong_token(HERE, now).is_err());
    assert!(guesses.try_take("ann", HERE, now).is_ok() && guesses.try_take("bob", THERE, now).is_ok());
    let much_later = now + REMEMBERED;
    (0..1000).for_each(|n| drop(guesses.try_take(&format!("n{n}"), HERE, much_later)));
    assert!(guesses.try_take("ann", HERE, much_later).is_err(), "it is remembered for a day");
}

#[test]
fn a_name_that_is_guessed_from_everywhere_waits_and_is_not_refused() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    guesses.right(guesses.try_take("ann", HERE, now).unwrap(), now);
    for n in 0..5000_u32 {
        let attempt = guesses.try_take("ann", Ipv4Addr::from_bits(n + 0x0b00_0000).into(), now).unwrap();
        assert!(attempt.delay <= LONGEST_DELAY);
        assert_eq!(attempt.delay.is_zero(), n < OF_NAME.burst, "{n}");
    }
    assert_eq!(guesses.try_take("ann", HERE, now).unwrap().delay, Duration::ZERO, "she was right there");
    assert_eq!(guesses.try_take("ann", THERE, now + Duration::from_secs(60)).unwrap().delay, Duration::ZERO);
}

#[test]
fn a_network_is_one_address() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    wrong(&guesses, "ann", "2001:db8::1".parse().unwrap(), now, 1000);
    assert!(guesses.try_take("ann", "2001:db8::2:3".parse().unwrap(), now).is_err());
    assert!(guesses.try_take("ann", "2001:db8:0:1::1".parse().unwrap(), now).is_ok());
    wrong(&guesses, "ann", HERE, now, 1000);
    assert!(guesses.try_take("ann", "::ffff:10.0.0.1".parse().unwrap(), now).is_err());
    wrong(&guesses, "ann", Ipv4Addr::LOCALHOST.into(), now, 1000);
    assert!(guesses.try_take("ann", Ipv6Addr::LOCALHOST.into(), now).is_err());
    assert!(guesses.try_take("ann", "127.9.9.9".parse().unwrap(), now).is_err());
}

#[test]
fn memory_is_bounded_and_the_worst_is_remembered() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    wrong(&guesses, "ann", HERE, now, 1000);
    for n in 0..2 * MOST {
        let elsewhere = Ipv4Addr::from_bits(0x0b00_0000 + u32::try_from(n).unwrap()).into();
        let attempt = guesses.try_take("x", elsewhere, now).unwrap();
        if n % 2 == 0 {
            guesses.right(attempt, now);
        }
        guesses.count(&ResourceName::new("crm"), elsewhere, &format!("n{n}"), false);
    }
    let state = guesses.lock();
    assert!(state.full_at.len() <= MOST && state.right.len() <= MOST && state.windows.len() <= WINDOWS + 1);
    assert!(state.windows.values().all(|window| window.names.len() <= NAMES));
    drop(state);
    assert!(guesses.try_take("ann", HERE, now).is_err());
}

#[test]
fn what_is_too_much_for_the_trail_is_counted() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    assert_eq!((0..5000).filter(|_| guesses.own_record(now)).count(), OF_RECORDS.burst as usize);
    assert!(guesses.own_record(now + OF_RECORDS.refill));
    let crm = ResourceName::new("crm");
    let whose = guesses.count(&crm, HERE, "ann", true).unwrap();
    assert_eq!(guesses.count(&crm, HERE, "ann", true), None);
    assert_eq!(guesses.count(&crm, HERE, "ann", false), None);
    assert_eq!(guesses.open_windows(), std::slice::from_ref(&whose));
    let window = guesses.close(&whose).unwrap();
    assert_eq!((window.unread, window.wrong, window.only_name()), (2, 1, "ann"));
    assert!(
        window.reason().starts_with("3 more failed logins in 60 s: 2 refused unread"),
        "{}",
        window.reason()
    );
    assert_eq!(guesses.close(&whose), None);
    guesses.count(&crm, HERE, "ann", true);
    guesses.count(&crm, HERE, "bob", true);
    assert_eq!(guesses.close(&whose).unwrap().only_name(), "");
}
