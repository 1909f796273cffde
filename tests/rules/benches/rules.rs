//! How fast the rules alone are: decide and apply, on one core, with no store, no JSON and no network.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use domain::{inventory, lane, machine::Machine, queue};
use rules::{self as fixture, NOW, done};

const BATCH: u32 = 256;
const HOLDS: u32 = 10_000;
const ENTRIES: u32 = 4096;

/// A batch of people who were never seen: looked up in a lane with a million places, numbered by the queue, stored in the lane;
/// and the three together.
fn joins(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("joins");
    group.throughput(Throughput::Elements(BATCH.into()));
    let (mut lane, mut line) = (fixture::lane(), fixture::line());
    let first = |seq: u64| fixture::LANE_PLACES + 1 + seq * u64::from(BATCH);
    let people = |seq: u64| -> Vec<_> {
        (first(seq)..first(seq + 1)).map(|number| lane::Command::Join(fixture::joiner(number))).collect()
    };
    let numbered = |seq: u64| fixture::numbered(seq, first(seq), BATCH.into());
    let look_up = |lane: &lane::Lane, people: &[lane::Command]| {
        people.iter().for_each(|join| drop(black_box(lane.decide(join, NOW.into()))));
    };
    // Sequences of the batches of the queue, and of those of the lane, which has stored a thousand.
    let (mut to_number, mut to_store) = (1_u64.., 1001_u64..);
    let next = |sequences: &mut std::ops::RangeFrom<u64>| sequences.next().expect("they have no end");

    let strangers = people(1);
    group.bench_function("looked up in the lane", |bencher| bencher.iter(|| look_up(&lane, &strangers)));
    group.bench_function("numbered by the queue", |bencher| {
        bencher.iter_batched_ref(
            || fixture::batch(next(&mut to_number), BATCH),
            |batch| black_box(done(&mut line, batch)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("stored in the lane", |bencher| {
        bencher.iter_batched_ref(
            || numbered(next(&mut to_store)),
            |numbered| black_box(done(&mut lane, numbered)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("all of it", |bencher| {
        bencher.iter_batched_ref(
            || {
                let seq = next(&mut to_store);
                (people(seq), fixture::batch(next(&mut to_number), BATCH), numbered(seq))
            },
            |(people, batch, numbered)| {
                look_up(&lane, people);
                black_box(done(&mut line, batch));
                black_box(done(&mut lane, numbered));
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Places that are ready go in.
fn admissions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admissions");
    group.throughput(Throughput::Elements(ENTRIES.into()));
    let mut ready = fixture::line();
    done(&mut ready, &fixture::batch(1, ENTRIES));
    done(&mut ready, &queue::Command::Tick);
    let entries: Vec<_> = (1..=ENTRIES.into()).map(fixture::enter).collect();
    group.bench_function("entered, one by one", |bencher| {
        bencher.iter_batched_ref(
            || ready.clone(),
            |ready| entries.iter().for_each(|enter| drop(black_box(done(ready, enter)))),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// Holds of one seat by its name, on events of different sizes.
fn holds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("holds");
    group.throughput(Throughput::Elements(HOLDS.into()));
    for seats in [50_000, 200_000] {
        let empty = fixture::inventory(seats);
        let commands: Vec<_> = (0..HOLDS).map(|i| fixture::hold(i.into(), fixture::this_seat(i * (seats / HOLDS)))).collect();
        group.bench_with_input(BenchmarkId::new("one seat by name", seats), &commands, |bencher, commands| {
            bencher.iter_batched_ref(
                || empty.clone(),
                |inventory| commands.iter().for_each(|hold| drop(black_box(done(inventory, hold)))),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// The best four seats together in the whole house, empty and nearly full.
fn best_available(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("best available");
    group.throughput(Throughput::Elements(1));
    let wish = fixture::hold(u64::MAX >> 1, fixture::best(4));
    for seats in [50_000, 200_000] {
        let scattered = [0, 50, 90].map(|percent| (format!("{percent} % taken"), fixture::scattered(seats, percent)));
        let hopeless = [("every second seat taken".to_owned(), fixture::checkered(seats))];
        for (state, house) in scattered.into_iter().chain(hopeless) {
            let name = BenchmarkId::new(format!("four together, {state}"), seats);
            group.bench_with_input(name, &house, |bencher, house: &inventory::Inventory| {
                bencher.iter(|| drop(black_box(house.decide(&wish, NOW.into()))));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = rules;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(2)).sample_size(20);
    targets = joins, admissions, holds, best_available
}
criterion_main!(rules);
