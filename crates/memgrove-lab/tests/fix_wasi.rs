//! WASI and Emscripten's memory functions, executed: on two engines and beside the original under
//! a host that keeps the original contract.

#[path = "fix_support/trio.rs"]
mod trio;

use memgrove_lab::engine::{self, Host, Memory, Settings, Value};
use memgrove_lab::verify::ENGINES;
use memgrove_rewrite::{Options, fix};
use trio::Trio;

const PAGE: u32 = 65536;

#[test]
fn wasi_where_there_is_no_system() {
    let mut trio = Trio::new(
        r#"(module
            (import "env" "memory" (memory 1))
            (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_filestat_get" (func $filestat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_res_get" (func $res (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (export "args_sizes" (func $args_sizes)) (export "args" (func $args))
            (export "prestat" (func $prestat)) (export "write" (func $write)) (export "read" (func $read))
            (export "close" (func $close)) (export "fdstat" (func $fdstat)) (export "filestat" (func $filestat))
            (export "res" (func $res)) (export "random" (func $random)) (export "poll" (func $poll))
            (export "exit" (func $exit))
            (func (export "seek") (param i32) (result i32)
                (call $seek (local.get 0) (i64.const 0) (i32.const 1) (i32.const 0)))
            (func (export "time") (param i32) (result i32)
                (call $time (i32.const 1) (i64.const 0) (local.get 0))))"#,
    );
    const EBADF: i32 = 8;
    const ESPIPE: i32 = 70;
    let word = |trio: &mut Trio, at: u32| u32::from_le_bytes(trio.read(at, 4).try_into().unwrap());
    let long = |trio: &mut Trio, at: u32| u64::from_le_bytes(trio.read(at, 8).try_into().unwrap());

    trio.fill(&(0..64), 0xff);
    assert_eq!(trio.call("args_sizes", &[0, 4]), 0);
    assert_eq!((word(&mut trio, 0), word(&mut trio, 4)), (0, 0), "no arguments, of no bytes");
    assert_eq!(trio.call("args", &[8, 16]), 0);
    assert_eq!(trio.read(8, 16), [0xff; 16], "nothing is written");
    assert_eq!(trio.call("prestat", &[3, 0]), EBADF);

    // Three pieces of 5, 0 and 7 bytes.
    for (at, part) in [(100, 0), (104, 5), (108, 0), (112, 0), (116, 0), (120, 7_u32)] {
        trio.write(at, &part.to_le_bytes());
    }
    assert_eq!(trio.call("write", &[1, 100, 3, 200]), 0);
    assert_eq!(word(&mut trio, 200), 12, "nwritten is the sum of the pieces");
    assert_eq!(trio.call("write", &[2, 100, 0, 200]), 0);
    assert_eq!(word(&mut trio, 200), 0);
    assert_eq!(trio.call("write", &[7, 100, 3, 200]), EBADF);
    assert_eq!(trio.call("read", &[0, 100, 3, 200]), 0);
    assert_eq!(word(&mut trio, 200), 0, "the end of the file");
    assert_eq!(trio.call("read", &[5, 100, 3, 200]), EBADF);
    assert_eq!((trio.call("seek", &[1]), trio.call("seek", &[3])), (ESPIPE, EBADF));
    assert_eq!((trio.call("close", &[2]), trio.call("close", &[3])), (0, EBADF));

    trio.fill(&(300..400), 0xff);
    assert_eq!(trio.call("fdstat", &[1, 300]), 0);
    assert_eq!(trio.read(300, 25), [&[2][..], &[0; 7], &[0x42], &[0; 15], &[0xff]].concat());
    assert_eq!(trio.call("filestat", &[0, 320]), 0);
    assert_eq!(trio.read(320, 65), [&[0; 16][..], &[2], &[0; 47], &[0xff]].concat());
    assert_eq!((trio.call("fdstat", &[4, 300]), trio.call("filestat", &[4, 300])), (EBADF, EBADF));

    assert_eq!(trio.call("res", &[1, 400]), 0);
    let tick = long(&mut trio, 400);
    let mut last = 0;
    for _ in 0..3 {
        assert_eq!(trio.call("time", &[400]), 0);
        let now = long(&mut trio, 400);
        assert!(now >= last + tick, "a program that waits for time to pass does not wait for ever");
        last = now;
    }

    assert_eq!(trio.call("random", &[500, 100]), 0);
    let first = trio.read(500, 100);
    assert_eq!(trio.call("random", &[500, 100]), 0);
    assert_ne!(trio.read(500, 100), first, "more of them are others");
    assert!((0..=255).filter(|byte| first.contains(byte)).count() > 50);
    assert_eq!(trio.read(600, 1), [0], "no byte beyond what was asked");

    // Two subscriptions: user data 7 and 9, a clock and a readable descriptor.
    for (at, part) in [(1000, 7_u64), (1008, 0), (1048, 9), (1056, 1)] {
        trio.write(at, &part.to_le_bytes());
    }
    assert_eq!(trio.call("poll", &[1000, 2000, 2, 3000]), 0);
    assert_eq!(word(&mut trio, 3000), 2, "both have happened");
    assert_eq!((long(&mut trio, 2000), long(&mut trio, 2032)), (7, 9));
    assert_eq!((trio.read(2010, 1), trio.read(2042, 1)), (vec![0], vec![1]));
    assert_eq!(trio.call("poll", &[1000, 2000, 0, 3000]), 28, "EINVAL");

    assert_eq!(trio.try_call("exit", &[Value::I32(0)]), None);
}

#[test]
fn emscriptens_memory_functions_grow_for_real() {
    let mut trio = Trio::new(
        r#"(module
            (import "env" "memory" (memory 1 3))
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (import "env" "emscripten_get_heap_size" (func $size (result i32)))
            (import "env" "emscripten_memcpy_big" (func $copy (param i32 i32 i32) (result i32)))
            (export "resize" (func $resize)) (export "size" (func $size)) (export "copy" (func $copy)))"#,
    );
    assert_eq!(trio.call("resize", &[PAGE + 1]), 1);
    assert_eq!((trio.memory_bytes(), trio.address("size", &[])), (2 * PAGE, 2 * PAGE));
    assert_eq!(trio.call("resize", &[10]), 1, "there is enough already");
    assert_eq!(trio.call("resize", &[3 * PAGE + 1]), 0, "beyond the maximum");
    assert_eq!(trio.memory_bytes(), 2 * PAGE, "nothing was grown in vain");
    let bytes: Vec<u8> = (0..=255).collect();
    trio.write(100, &bytes);
    // Overlapping, in both directions.
    assert_eq!(trio.call("copy", &[110, 100, 256]), 110);
    assert_eq!(trio.read(110, 256), bytes);
    assert_eq!(trio.call("copy", &[97, 110, 256]), 97);
    assert_eq!(trio.read(97, 256), bytes);
}

/// `struct tm` of a time, by walking through the years: second, minute, hour, day, month, year,
/// weekday, day of the year.
fn broken_down(time: i64) -> [i64; 8] {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut days, second) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    let weekday = (days + 4).rem_euclid(7);
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += 365 + i64::from(is_leap(year));
    }
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let of_year = days;
    let february = 28 + i64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    [second % 60, second / 60 % 60, second / 3600, days + 1, month, year - 1900, weekday, of_year]
}

#[test]
fn the_calendar_is_right_for_a_thousand_years() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "memory" (memory 1))
            (import "env" "_localtime_js" (func $local (param i64 i32)))
            (import "env" "_mktime_js" (func $mktime (param i32) (result i64)))
            (export "localtime" (func $local)) (export "mktime" (func $mktime)))"#,
    )
    .unwrap();
    let fixed = fix(&wasm, &Options::default()).unwrap();
    assert!(fixed.plan.is_complete());
    for id in ENGINES {
        let engine = engine::open(id, &Settings::default()).unwrap();
        let mut instance = engine.compile(&fixed.wasm).unwrap().instantiate(&Host::new()).unwrap();
        let fields = |bytes: Vec<u8>| -> Vec<i64> {
            bytes.chunks(4).map(|word| i32::from_le_bytes(word.try_into().unwrap()).into()).collect()
        };
        // Around every change of year from 1471 on, and steps that meet every day of a month.
        let years = (-500..500).map(|year| year * 31_556_952);
        let edges = [-1, 0, 1, 86_399, 86_400, 951_782_399, 951_868_799, 951_868_800, 1 << 31, 4_107_542_400];
        for time in years.chain(edges).chain((-9000..9000).map(|step| step * 1_234_567)) {
            instance.call("localtime", &[Value::I64(time), Value::I32(64)]).unwrap();
            let tm = fields(instance.read(Memory::Main, 64, 40).unwrap());
            assert_eq!(tm[..8], broken_down(time), "{time}");
            assert_eq!(tm[8..], [0, 0], "no daylight saving, no offset");
            let back = instance.call("mktime", &[Value::I32(64)]).unwrap().values;
            assert_eq!(back, [Value::I64(time)]);
        }
        // Fields out of range: the 0th of the 14th month of 2023 is 31 January 2024.
        for (at, field) in [0, 0, 24, 0, 13, 123].into_iter().enumerate() {
            instance.write(Memory::Main, 64 + 4 * at as u64, &i32::to_le_bytes(field)).unwrap();
        }
        let time = instance.call("mktime", &[Value::I32(64)]).unwrap().values;
        assert_eq!(time, [Value::I64(1_706_745_600)]);
        let tm = fields(instance.read(Memory::Main, 64, 32).unwrap());
        assert_eq!(tm, [0, 0, 0, 1, 1, 124, 4, 31], "and they are written back in range");
    }
}
