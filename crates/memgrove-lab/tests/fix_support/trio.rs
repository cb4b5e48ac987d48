//! A fixed module on two engines beside its original under a host that keeps the original
//! contract: every call is made three times, and all answers must be the same.
#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::Range;

use memgrove_lab::engine::{self, EngineError, EngineId, Host, Instance, Memory, Settings, Value};
use memgrove_lab::verify::{ENGINES, emulate};
use memgrove_rewrite::{Options, fix};

/// The fixed module on each engine, and the original under its emulated host.
pub struct Trio {
    instances: Vec<(String, Box<dyn Instance>)>,
}

impl Trio {
    /// Fixes a module given as text, and instantiates it and the original.
    pub fn new(text: &str) -> Self {
        let wasm = wat::parse_str(text).expect("the test's text is well-formed");
        let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
        assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
        let start = |id: EngineId, wasm: &[u8], host: &Host| {
            let engine = engine::open(id, &Settings::default()).expect("a linked engine");
            engine.compile(wasm).expect("it compiles").instantiate(host).expect("it instantiates")
        };
        let mut instances: Vec<_> = ENGINES
            .iter()
            .map(|&id| (format!("fixed on {id}"), start(id, &fixed.wasm, &Host::new())))
            .collect();
        let host = emulate(&fixed.plan).expect("every contract here has a second implementation").host;
        let mut original = start(EngineId::Wasmtime, &wasm, &host);
        for (at, bytes) in fixed.plan.initial_data() {
            original.write(Memory::Main, u64::from(at), bytes).expect("inside of memory");
        }
        instances.push(("original under its host".to_owned(), original));
        Self { instances }
    }

    /// What all three answer, or that all three trap.
    pub fn try_call(&mut self, name: &str, arguments: &[Value]) -> Option<Value> {
        let mut answers = self.instances.iter_mut().map(|(who, instance)| {
            let answer = match instance.call(name, arguments) {
                Ok(outcome) => Some(outcome.values.first().copied().unwrap_or(Value::I32(0))),
                Err(EngineError::Trap { .. }) => None,
                Err(error) => panic!("{who}: {error}"),
            };
            (who.clone(), answer)
        });
        let (first, expected) = answers.next().expect("there are instances");
        for (who, answer) in answers {
            assert_eq!(answer, expected, "{name} {arguments:?}: {who} against {first}");
        }
        expected
    }

    /// The i32 that all three answer.
    pub fn call(&mut self, name: &str, arguments: &[u32]) -> i32 {
        let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
        match self.try_call(name, &arguments) {
            Some(Value::I32(number)) => number,
            other => panic!("{name} {arguments:?}: {other:?}"),
        }
    }

    /// An address that a call answers.
    pub fn address(&mut self, name: &str, arguments: &[u32]) -> u32 {
        self.call(name, arguments).cast_unsigned()
    }

    /// What all three hold at an address.
    pub fn read(&mut self, at: u32, length: u32) -> Vec<u8> {
        let mut contents = self.instances.iter_mut().map(|(who, instance)| {
            let bytes = instance.read(Memory::Main, at.into(), length.into());
            bytes.unwrap_or_else(|error| panic!("{who}: {error}"))
        });
        let first = contents.next().expect("there are instances");
        assert!(contents.all(|bytes| bytes == first), "the memories differ in {at:#x}, {length} bytes");
        first
    }

    /// Writes the same into all three.
    pub fn write(&mut self, at: u32, bytes: &[u8]) {
        for (_, instance) in &mut self.instances {
            instance.write(Memory::Main, at.into(), bytes).expect("inside of memory");
        }
    }

    /// Fills a range with one byte.
    pub fn fill(&mut self, range: &Range<u32>, byte: u8) {
        self.write(range.start, &vec![byte; range.len()]);
    }

    /// The size of all three memories.
    pub fn memory_bytes(&mut self) -> u32 {
        let mut sizes = self
            .instances
            .iter_mut()
            .map(|(_, instance)| instance.memory_bytes(Memory::Main).expect("a memory"));
        let first = sizes.next().expect("there are instances");
        assert!(sizes.all(|size| size == first), "the memories differ in size");
        u32::try_from(first).expect("less than 4 GiB")
    }
}
