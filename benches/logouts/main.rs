//! Whole logouts that an identity provider asks for: over HTTP, into a durable PostgreSQL, and back.
//!
//! `cargo bench --bench logouts` starts the released service on a private cluster of its own, signs
//! people in through the front door, prepares one signed LogoutRequest for each, and then sends them
//! over connections that are kept open. It prints logouts per second, latency, the CPU time that one
//! logout costs the service and PostgreSQL, and what this disk and OpenSSL alone would allow. Every
//! answer is verified and read, every session is looked for afterwards.
//!
//! `cargo bench --bench logouts -- flood` measures instead what a flood of bad messages leaves of it.

#![expect(clippy::unwrap_used, reason = "a bench stops by panicking")]

mod bound;
mod cost;
mod flood;
mod identity_provider;
mod load;
mod service;

use std::time::Duration;

use crate::cost::Cost;
use crate::identity_provider::{Binding, IdentityProvider, Person};
use crate::load::Answers;
use crate::service::Service;

const CONCURRENCIES: [usize; 3] = [1, 8, 32];
/// The aim for service and PostgreSQL together, with RSA-2048.
const AIM_MS: f64 = 0.65;

fn main() {
    // Without the argument it is "cargo test": only to see that it still works.
    let thorough = std::env::args().any(|argument| argument == "--bench");
    let (people, turns) = if thorough { (2000, 3) } else { (40, 1) };

    let service = Service::start();
    let idp = IdentityProvider::new(service.base_url(), &service.own_metadata());
    service.import(&idp.metadata());
    std::thread::sleep(Duration::from_secs(2));
    println!("idle service: {:.1} MB resident", service.resident_megabytes());
    if std::env::args().any(|argument| argument == "flood") {
        flood::run(&service, &idp, people, turns);
        service.stop();
        return;
    }
    let floor = bound::Floor::measure(service.directory());
    floor.print();

    let mut together = Vec::new();
    for binding in [Binding::Redirect, Binding::Soap] {
        for concurrency in CONCURRENCIES {
            for _ in 0..turns {
                let cost = round(&service, &idp, binding, concurrency, people);
                if binding == Binding::Redirect {
                    together.push((concurrency, cost));
                }
            }
        }
    }
    println!("service after the load: {:.1} MB resident", service.resident_megabytes());
    for concurrency in CONCURRENCIES {
        let costs = together.iter().filter(|(of, _)| *of == concurrency).map(|(_, cost)| *cost);
        conclude(concurrency, costs.collect(), floor.rsa_ms);
    }
    service.stop();
}

/// Signs people in, logs them out by their identity provider, and makes sure that both happened.
fn round(
    service: &Service,
    idp: &IdentityProvider,
    binding: Binding,
    concurrency: usize,
    people: usize,
) -> Cost {
    let mut people = idp.people(people);
    let sign_ins: Vec<_> = people.iter().map(|person| person.sign_in.clone()).collect();
    let signed_in = load::send(service.address(), &sign_ins, 8);
    for (person, answer) in people.iter_mut().zip(&signed_in.texts) {
        person.cookie = load::session_cookie(answer);
    }
    assert_eq!(service.sessions_alive(), people.len());
    spot_check(service, &people, 200);

    let logouts: Vec<_> = people.iter().map(|person| idp.logout(person, binding)).collect();
    let requests: Vec<_> = logouts.iter().map(|logout| logout.http.clone()).collect();
    let before = service.spent();
    let answers = load::send(service.address(), &requests, concurrency);
    let cost = Cost::of(&before, &service.spent(), people.len());
    print_round(binding, concurrency, &answers, &cost);

    for (logout, answer) in logouts.iter().zip(&answers.texts) {
        idp.assert_success(logout, answer);
    }
    assert_eq!(service.sessions_alive(), 0);
    assert_eq!(service.sessions_ended_in_the_list(people.len()), people.len());
    spot_check(service, &people, 401);
    cost
}

fn spot_check(service: &Service, people: &[Person], status: u16) {
    for person in people.iter().step_by(1 + people.len() / 20) {
        assert_eq!(load::session_status(service.address(), &person.cookie), status);
    }
}

fn print_round(binding: Binding, concurrency: usize, answers: &Answers, cost: &Cost) {
    println!(
        "{binding:?} x{concurrency}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms; CPU {:.3} ms = service {:.3} + \
         PostgreSQL {:.3}; {:.2} writing transactions, {:.0} octets of WAL",
        answers.per_second(),
        answers.percentile_ms(50),
        answers.percentile_ms(99),
        cost.together_ms(),
        cost.service_ms,
        cost.postgres_ms,
        cost.transactions,
        cost.wal_octets,
    );
}

/// The middle one of several turns, beside the aim and beside what RSA alone costs.
fn conclude(concurrency: usize, mut costs: Vec<Cost>, rsa_ms: f64) {
    costs.sort_by(|one, other| one.together_ms().total_cmp(&other.together_ms()));
    let Some(middle) = costs.get(costs.len() / 2) else { return };
    let together = middle.together_ms();
    println!(
        "Redirect x{concurrency}: {together:.3} ms CPU, {:.0} % of the aim of {AIM_MS} ms; RSA alone {rsa_ms:.3} ms, \
         {:.0} % of it",
        100.0 * together / AIM_MS,
        100.0 * rsa_ms / together,
    );
}
