//! A module and its instances, on the other side of a channel.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::meter::{Meter, Metering};
use super::wire::{all_from_json, all_to_json, from_json, in_bounds, to_json};
use super::{Channel, Functions};
use crate::engine::{
    Demand, EngineError, ExportKind, Host, HostFunction, ImportKind, Instance, Memory, Module, Outcome,
    Shape, Signature, Supply, TrapReason, Value, ValueType, check_arguments,
};

/// So many bytes are made room for before anybody has looked whether the memory has them.
const UNASKED_BYTES: u64 = 1 << 16;

/// Modules and instances of one server are told apart by it, whoever compiled them.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A module that the server has compiled.
pub struct Compiled<C: Channel>(Arc<Shared<C>>);

/// What a module and its instances share.
struct Shared<C: Channel> {
    channel: Mutex<C>,
    shape: Shape,
    id: u64,
    meter: Option<Meter>,
}

impl<C: Channel> Compiled<C> {
    /// Validates and compiles a module, with its instructions counted if they are to be.
    ///
    /// # Errors
    /// [`EngineError::Compile`], or what the channel says.
    pub fn new(wasm: &[u8], mut channel: C, metering: Option<Metering>) -> Result<Self, EngineError> {
        let shape = Shape::of(wasm)?;
        let id = next_id();
        let metered = metering.map(|metering| metering.apply(wasm)).transpose()?;
        let bytes = metered.as_ref().map_or(wasm, |(bytes, _)| bytes);
        channel.ask_with(json!({ "operation": "compile", "module": id }), bytes, &Functions::from([]))?;
        let meter = metered.map(|(_, meter)| meter);
        Ok(Self(Arc::new(Shared { channel: Mutex::new(channel), shape, id, meter })))
    }
}

impl<C: Channel> Shared<C> {
    fn channel(&self) -> MutexGuard<'_, C> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Channel> Drop for Shared<C> {
    fn drop(&mut self) {
        // A server that has ended has no module to give up.
        let _ =
            self.channel().ask(json!({ "operation": "discard", "module": self.id }), &Functions::from([]));
    }
}

impl<C: Channel + 'static> Module for Compiled<C> {
    fn shape(&self) -> &Shape {
        &self.0.shape
    }

    fn instantiate(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError> {
        let shape = &self.0.shape;
        let admitted = self.0.channel().admit(&Demand::of(shape, host))?;
        let id = next_id();
        let mut functions = Vec::new();
        let mut given = Vec::new();
        let mut unsupplied = Vec::new();
        for (index, import) in shape.imports.iter().enumerate() {
            functions.push(None::<(HostFunction, Signature)>);
            let described = match (&import.kind, host.find(&import.module, &import.name)) {
                (ImportKind::Function(signature), _) => {
                    host.find_function(&import.module, &import.name, signature).map(|function| {
                        functions[index] = Some((function, signature.clone()));
                        json!({ "kind": "function", "index": index, "parameters": signature.parameters })
                    })
                }
                (
                    ImportKind::Memory { minimum_pages: wanted, maximum_pages, shared, memory64 },
                    Some(Supply::Memory { minimum_pages }),
                ) => Some(json!({
                    "kind": "memory", "minimum": wanted.max(minimum_pages), "maximum": maximum_pages,
                    "shared": shared, "large": memory64,
                })),
                (
                    ImportKind::Table { minimum_elements: wanted, maximum_elements, functions },
                    Some(Supply::Table { minimum_elements }),
                ) => Some(json!({
                    "kind": "table", "minimum": wanted.max(minimum_elements), "maximum": maximum_elements,
                    "functions": functions, "large": false,
                })),
                (ImportKind::Global { mutable, .. }, Some(Supply::Global(value))) => {
                    Some(json!({ "kind": "global", "mutable": mutable, "value": to_json(*value) }))
                }
                _ => None,
            };
            match described {
                Some(mut item) => {
                    item["module"] = json!(import.module);
                    item["name"] = json!(import.name);
                    given.push(item);
                }
                None => unsupplied.push((import.module.clone(), import.name.clone())),
            }
        }
        let request = json!({
            "operation": "instantiate", "module": self.0.id, "id": id, "imports": given,
            "mainMemory": shape.main_memory().unwrap_or_default(),
            "mainTable": shape.main_table().unwrap_or_default(),
        });
        let functions = Functions::from(functions);
        let outcome = self.0.channel().ask(request, &functions);
        match outcome {
            Ok(_) => {
                let fuel = self.0.meter.as_ref().map(Meter::fuel);
                Ok(Box::new(Running { module: self.0.clone(), functions, id, fuel, _admitted: admitted }))
            }
            // The import that stops it is numbered in the module's order.
            Err(EngineError::Instantiate { words }) => {
                let named = words.split("Import #").nth(1).and_then(|rest| {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    shape.imports.get(digits.parse::<usize>().ok()?)
                });
                match named {
                    Some(import) => Err(EngineError::Import {
                        module: import.module.clone(),
                        name: import.name.clone(),
                        words,
                        unsupplied: unsupplied
                            .iter()
                            .map(|(module, name)| format!("{module}.{name}"))
                            .collect(),
                    }),
                    None => Err(EngineError::Instantiate { words }),
                }
            }
            Err(error) => Err(error),
        }
    }
}

struct Running<C: Channel> {
    module: Arc<Shared<C>>,
    functions: Functions,
    id: u64,
    /// What each call may take, where it is counted.
    fuel: Option<u64>,
    /// What the instance is; what its memories and tables have is on the account of the channel.
    _admitted: Box<dyn Any + Send>,
}

impl<C: Channel> Running<C> {
    fn ask(&self, mut request: Json) -> Result<Json, EngineError> {
        request["id"] = json!(self.id);
        self.module.channel().ask(request, &self.functions)
    }

    fn shape(&self) -> &Shape {
        &self.module.shape
    }

    /// The meter's global as it stands, where there is one.
    fn left(&self) -> Result<Option<i64>, EngineError> {
        let Some(meter) = &self.module.meter else { return Ok(None) };
        let answer = self.ask(json!({ "operation": "global", "name": meter.export(), "type": "i64" }))?;
        counted(&answer["value"]).map(Some)
    }
}

/// What a meter says.
fn counted(value: &Json) -> Result<i64, EngineError> {
    match from_json(value)? {
        Value::I64(left) => Ok(left),
        other => Err(EngineError::engine(format!("a meter that says {other:?}"))),
    }
}

impl<C: Channel> Drop for Running<C> {
    fn drop(&mut self) {
        // A server that has ended has no instance to give up.
        let _ = self.ask(json!({ "operation": "drop" }));
    }
}

impl<C: Channel> Instance for Running<C> {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError> {
        let signature = self.shape().function(export)?;
        check_arguments(arguments, signature, export)?;
        let passable = |&value: &ValueType| value != ValueType::V128;
        if !signature.parameters.iter().chain(&signature.results).all(passable) {
            return Err(EngineError::export(
                export,
                "has a vector in its type, which cannot be passed from outside",
            ));
        }
        let mut request = json!({
            "operation": "call", "name": export, "arguments": all_to_json(arguments), "results": signature.results,
        });
        if let (Some(meter), Some(fuel)) = (&self.module.meter, self.fuel) {
            request["meter"] = json!({ "name": meter.export(), "fuel": fuel.to_string() });
        }
        let answer = self.ask(request);
        let left = match (&answer, self.fuel) {
            (_, None) => None,
            (Ok(answer), _) => Some(counted(&answer["left"])?),
            (Err(_), _) => self.left()?,
        };
        let answer = match (answer, left) {
            (Err(EngineError::Trap { words, .. }), Some(..0)) => {
                return Err(EngineError::Trap { reason: TrapReason::OutOfFuel, words });
            }
            (answer, _) => answer?,
        };
        let elapsed = Duration::from_nanos(answer["nanoseconds"].as_u64().unwrap_or(0));
        let fuel = left.zip(self.fuel).map(|(left, fuel)| fuel.saturating_sub(left.max(0).cast_unsigned()));
        Ok(Outcome { values: all_from_json(&answer["values"])?, elapsed, fuel })
    }

    fn limit_fuel(&mut self, fuel: u64) {
        // Where it is not counted, the channel's timeout bounds a call.
        self.fuel = self.module.meter.is_some().then_some(fuel.min(i64::MAX.cast_unsigned()));
    }

    fn memory_bytes(&mut self, memory: Memory<'_>) -> Result<u64, EngineError> {
        let answer = self.ask(json!({ "operation": "size", "memory": name_of(memory) }))?;
        answer["bytes"].as_u64().ok_or_else(|| EngineError::engine("no size in the answer"))
    }

    fn read(&mut self, memory: Memory<'_>, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let beyond = || EngineError::OutOfBounds { address, length_bytes };
        if length_bytes > UNASKED_BYTES {
            let end = address.checked_add(length_bytes).ok_or_else(beyond)?;
            if end > self.memory_bytes(memory)? {
                return Err(beyond());
            }
        }
        let mut bytes = vec![0; usize::try_from(length_bytes).map_err(|_| beyond())?];
        let request = json!({
            "operation": "read", "memory": name_of(memory), "id": self.id, "address": address, "length": length_bytes,
        });
        let answer = self.module.channel().ask_for(request, &mut bytes, &self.functions);
        in_bounds(answer, address, length_bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, memory: Memory<'_>, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let request = json!({
            "operation": "write", "memory": name_of(memory), "id": self.id, "address": address,
        });
        let answer = self.module.channel().ask_with(request, bytes, &self.functions);
        in_bounds(answer, address, bytes.len() as u64).map(drop)
    }

    fn grow(&mut self, memory: Memory<'_>, pages: u64) -> Result<Option<u64>, EngineError> {
        let answer = self.ask(json!({ "operation": "grow", "memory": name_of(memory), "pages": pages }))?;
        Ok(answer["before"].as_u64())
    }

    fn global(&mut self, export: &str) -> Result<Value, EngineError> {
        let kind = self.shape().exports.iter().find(|item| item.name == export).map(|item| &item.kind);
        let Some(ExportKind::Global { value, .. }) = kind else {
            return Err(EngineError::export(export, "is not a global"));
        };
        let answer = self.ask(json!({ "operation": "global", "name": export, "type": value }))?;
        from_json(&answer["value"])
    }

    fn set_global(&mut self, export: &str, value: Value) -> Result<(), EngineError> {
        self.ask(json!({ "operation": "setGlobal", "name": export, "value": to_json(value) })).map(drop)
    }
}

fn name_of(memory: Memory<'_>) -> Option<&str> {
    match memory {
        Memory::Main => None,
        Memory::Export(name) => Some(name),
    }
}
