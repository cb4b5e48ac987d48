//! The format, from outside: round trips, every truncation, and garbage.

use memgrove_trace::{Decoder, Encoder, Event, Fault, dump, summarize};

fn sample() -> Vec<u8> {
    let mut encoder = Encoder::new();
    let a = encoder.allocate(24, 8, false);
    let b = encoder.allocate(70_000, 65_536, true);
    encoder.thread(2);
    encoder.reallocate(a, 300);
    encoder.free(b);
    encoder.thread(0);
    let _kept = encoder.allocate(1, 1, false);
    encoder.free(a);
    encoder.finish()
}

fn fault(bytes: &[u8]) -> (usize, Fault) {
    let error = summarize(bytes).expect_err("the bytes are not a sound trace");
    (error.offset, error.fault)
}

#[test]
fn events_come_back_as_recorded() {
    let bytes = sample();
    let events: Vec<Event> = Decoder::new(&bytes).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        events,
        [
            Event::Allocate { size_bytes: 24, align_log2: 3, zeroed: false },
            Event::Allocate { size_bytes: 70_000, align_log2: 16, zeroed: true },
            Event::Thread { thread: 2 },
            Event::Reallocate { age: 1, new_size_bytes: 300 },
            Event::Free { age: 0 },
            Event::Thread { thread: 0 },
            Event::Allocate { size_bytes: 1, align_log2: 0, zeroed: false },
            Event::Free { age: 2 },
        ]
    );
}

#[test]
fn a_summary_adds_up() {
    let summary = summarize(&sample()).unwrap();
    assert_eq!((summary.threads, summary.allocations, summary.zeroed), (3, 3, 1));
    assert_eq!((summary.reallocations, summary.frees), (1, 2));
    assert_eq!(summary.copied_bytes, 24);
    assert_eq!((summary.peak_live_bytes, summary.peak_live_blocks, summary.live_bytes), (70_300, 2, 1));
    assert_eq!(summary.allocated_bytes, 70_025);
}

#[test]
fn a_dump_names_blocks_by_order() {
    let mut text = String::new();
    dump(&sample(), &mut text).unwrap().unwrap();
    assert_eq!(
        text,
        "threads 3 blocks 3 events 8\nallocate 0 size 24 align 8\nallocate-zeroed 1 size 70000 align 65536\nthread 2\n\
         reallocate 0 size 300\nfree 1 age 0\nthread 0\nallocate 2 size 1 align 1\nfree 0 age 2\n"
    );
}

#[test]
fn every_truncation_is_an_error_inside_the_bytes() {
    let bytes = sample();
    for length in 0..bytes.len() {
        let error = summarize(&bytes[..length]).expect_err("a trace cut short is not whole");
        assert!(error.offset <= length, "{error} at length {length}");
    }
}

#[test]
fn faults_name_their_offset() {
    assert_eq!(fault(b"MGTX"), (0, Fault::NotATrace));
    assert_eq!(fault(b"MGTR\x02"), (4, Fault::UnknownVersion(2)));
    assert_eq!(fault(b"MGTR\x01\x01\x00\x01\x07\x00"), (8, Fault::UnknownOperation(7)));
    assert_eq!(fault(b"MGTR\x01\x01\x00\x01\x03\x00"), (8, Fault::NoSuchBlock { age: 0 }));
    assert_eq!(fault(b"MGTR\x01\x01\x00\x01\x04\x01"), (8, Fault::NoSuchThread(1)));
    assert_eq!(fault(b"MGTR\x01\x01\x01\x03\x00\x05\x03\x00\x03\x00"), (12, Fault::FreedBefore { age: 0 }));
    assert_eq!(fault(b"MGTR\x01\x01\x00\x01\x00\x05"), (8, Fault::WrongBlockCount));
    assert_eq!(fault(b"MGTR\x01\x01\x02\x01\x00\x05"), (6, Fault::ImpossibleCount));
    assert_eq!(fault(b"MGTR\x01\x01\x00\x00\x00"), (8, Fault::TrailingBytes));
    let overlong = b"MGTR\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x00";
    assert_eq!(fault(overlong), (5, Fault::BadInteger));
}

#[test]
fn garbage_never_panics_and_never_reserves_by_what_it_claims() {
    let whole = sample();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random() % 4 {
            let at = usize::try_from(random()).unwrap_or(0) % bytes.len();
            bytes[at] = random().to_le_bytes()[0];
        }
        let mut text = String::new();
        let dumped = dump(&bytes, &mut text).unwrap();
        match summarize(&bytes) {
            Ok(_) => assert!(dumped.is_ok()),
            Err(error) => {
                refused += 1;
                assert!(error.offset <= bytes.len(), "{error}");
            }
        }
    }
    assert!(refused > 1000, "the garbage was hardly garbage: {refused}");
}

#[test]
fn a_long_trace_takes_four_bytes_an_event_or_less() {
    let mut encoder = Encoder::new();
    let mut live = Vec::new();
    for round in 0..10_000u64 {
        live.push(encoder.allocate(16 + round % 400, 8, false));
        if round % 3 > 0 {
            let at = usize::try_from(round * 7919).unwrap_or(0) % live.len();
            encoder.free(live.swap_remove(at));
        }
    }
    let bytes = encoder.finish();
    let summary = summarize(&bytes).unwrap();
    assert!(bytes.len() as u64 <= 4 * (summary.allocations + summary.frees), "{} bytes", bytes.len());
}
