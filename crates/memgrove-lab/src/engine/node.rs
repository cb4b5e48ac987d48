//! Node, that is V8: a process for each module, served by an embedded script over standard input and output.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::budget::Account;
use super::limits::check_code;
use super::node_process::{Process, lock};
use super::{
    Budget, Caller, Demand, Engine, EngineError, EngineId, ExportKind, Host, HostFunction, HostTrap,
    ImportKind, Instance, Memory, Module, Outcome, Settings, Shape, Signature, Supply, TrapReason, Value,
    ValueType, check_arguments, checked_results,
};

const SCRIPT: &str = include_str!("node.js");

pub(super) struct Node {
    version: String,
    settings: Settings,
}

impl Node {
    pub(super) fn new(settings: &Settings) -> Result<Self, EngineError> {
        let process = Process::start(SCRIPT, &settings.budget.fresh())?;
        let hello = &process.hello;
        let word = |key: &str| hello[key].as_str().unwrap_or("?").to_owned();
        Ok(Self { version: format!("{} (V8 {})", word("node"), word("v8")), settings: settings.clone() })
    }
}

impl Engine for Node {
    fn name(&self) -> &'static str {
        EngineId::Node.name()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let shape = Arc::new(Shape::of(wasm)?);
        let budget = self.settings.budget_of_instance();
        check_code(&shape, budget.limits())?;
        let mut process = Process::start(SCRIPT, &budget)?;
        let limit = budget.time(budget.limits().compile)?;
        process.ask(json!({ "operation": "compile", "bytes": to_hex(wasm) }), &[], limit)?;
        let process = Arc::new(Mutex::new(process));
        Ok(Box::new(Compiled { process, shape, budget, instances: Mutex::new(0) }))
    }
}

struct Compiled {
    process: Arc<Mutex<Process>>,
    shape: Arc<Shape>,
    budget: Budget,
    /// Number of instances made so far; the next one's id.
    instances: Mutex<u64>,
}

/// The functions that a host gave to an instance, by the index of the import.
pub(super) type Functions = [Option<(HostFunction, Signature)>];

impl Module for Compiled {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn instantiate(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError> {
        let limit = self.budget.time(self.budget.limits().call)?;
        let mut account = Account::new(&self.budget);
        account.admit(&Demand::of(&self.shape, host))?;
        let mut counter = lock(&self.instances);
        let id = *counter;
        *counter += 1;
        let mut functions = Vec::new();
        let mut given = Vec::new();
        let mut unsupplied = Vec::new();
        for (index, import) in self.shape.imports.iter().enumerate() {
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
            "operation": "instantiate", "id": id, "imports": given,
            "mainMemory": self.shape.main_memory().unwrap_or_default(),
            "mainTable": self.shape.main_table().unwrap_or_default(),
        });
        let outcome = lock(&self.process).ask(request, &functions, limit);
        match outcome {
            Ok(_) => Ok(Box::new(Running {
                process: self.process.clone(),
                shape: self.shape.clone(),
                functions,
                id,
                budget: self.budget.clone(),
                _account: account,
            })),
            // V8 numbers the import that stops it, in the module's order.
            Err(EngineError::Instantiate { words }) => {
                let named = words.split("Import #").nth(1).and_then(|rest| {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    self.shape.imports.get(digits.parse::<usize>().ok()?)
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

struct Running {
    process: Arc<Mutex<Process>>,
    shape: Arc<Shape>,
    functions: Vec<Option<(HostFunction, Signature)>>,
    id: u64,
    budget: Budget,
    /// What the instance is; what its memories and tables have is on the account of the process.
    _account: Account,
}

impl Running {
    fn ask(&self, mut request: Json) -> Result<Json, EngineError> {
        request["id"] = json!(self.id);
        let limit = self.budget.time(self.budget.limits().call)?;
        lock(&self.process).ask(request, &self.functions, limit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that has died has no instance to give up.
        let _ = self.ask(json!({ "operation": "drop" }));
    }
}

impl Instance for Running {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError> {
        let signature = self.shape.function(export)?;
        check_arguments(arguments, signature, export)?;
        let passable = |&value: &ValueType| value != ValueType::V128;
        if !signature.parameters.iter().chain(&signature.results).all(passable) {
            return Err(EngineError::export(
                export,
                "has a vector in its type, which JavaScript cannot pass",
            ));
        }
        let answer = self.ask(json!({
            "operation": "call", "name": export, "arguments": all_to_json(arguments), "results": signature.results,
        }))?;
        let elapsed = Duration::from_nanos(answer["nanoseconds"].as_u64().unwrap_or(0));
        Ok(Outcome { values: all_from_json(&answer["values"])?, elapsed, fuel: None })
    }

    fn limit_fuel(&mut self, _: u64) {
        // V8 counts none; a timeout bounds it.
    }

    fn memory_bytes(&mut self, memory: Memory<'_>) -> Result<u64, EngineError> {
        let answer = self.ask(json!({ "operation": "size", "memory": name_of(memory) }))?;
        answer["bytes"].as_u64().ok_or_else(|| EngineError::engine("no size in the answer"))
    }

    fn read(&mut self, memory: Memory<'_>, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let answer = self.ask(json!({
            "operation": "read", "memory": name_of(memory), "address": address, "length": length_bytes,
        }));
        from_hex(&in_bounds(answer, address, length_bytes)?["bytes"])
    }

    fn write(&mut self, memory: Memory<'_>, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let answer = self.ask(json!({
            "operation": "write", "memory": name_of(memory), "address": address, "bytes": to_hex(bytes),
        }));
        in_bounds(answer, address, bytes.len() as u64).map(drop)
    }

    fn grow(&mut self, memory: Memory<'_>, pages: u64) -> Result<Option<u64>, EngineError> {
        let answer = self.ask(json!({ "operation": "grow", "memory": name_of(memory), "pages": pages }))?;
        Ok(answer["before"].as_u64())
    }

    fn global(&mut self, export: &str) -> Result<Value, EngineError> {
        let kind = self.shape.exports.iter().find(|item| item.name == export).map(|item| &item.kind);
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

impl Process {
    /// Runs the function of the host that the module called.
    pub(super) fn serve(
        &mut self,
        call: &Json,
        functions: &Functions,
    ) -> Result<Result<Vec<Value>, HostTrap>, EngineError> {
        let index = call["hostCall"].as_u64().and_then(|index| usize::try_from(index).ok());
        let Some((function, signature)) = index.and_then(|index| functions.get(index)?.clone()) else {
            return Err(EngineError::engine(format!("an unexpected message from node: {call}")));
        };
        let arguments = all_from_json(&call["arguments"])?;
        if let Err(error) = self.account.enter() {
            return Ok(Err(error.into()));
        }
        let mut caller = Calling { id: call["id"].clone(), functions, signature: &signature, process: self };
        let outcome = function(&mut caller, &arguments);
        self.account.leave();
        Ok(checked_results(outcome, &signature))
    }
}

struct Calling<'a> {
    id: Json,
    functions: &'a Functions,
    signature: &'a Signature,
    process: &'a mut Process,
}

impl Calling<'_> {
    fn ask(&mut self, mut request: Json) -> Result<Json, EngineError> {
        request["id"] = self.id.clone();
        request["memory"] = Json::Null;
        self.process.ask_inside(request, self.functions)
    }
}

impl Caller for Calling<'_> {
    fn signature(&self) -> &Signature {
        self.signature
    }

    fn memory_bytes(&mut self) -> Result<u64, EngineError> {
        let answer = self.ask(json!({ "operation": "size" }))?;
        answer["bytes"].as_u64().ok_or_else(|| EngineError::engine("no size in the answer"))
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let answer = self.ask(json!({ "operation": "read", "address": address, "length": length_bytes }));
        from_hex(&in_bounds(answer, address, length_bytes)?["bytes"])
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let answer = self.ask(json!({ "operation": "write", "address": address, "bytes": to_hex(bytes) }));
        in_bounds(answer, address, bytes.len() as u64).map(drop)
    }

    fn grow(&mut self, pages: u64) -> Option<u64> {
        self.ask(json!({ "operation": "grow", "pages": pages })).ok()?["before"].as_u64()
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        // The signature is not at hand here: what JavaScript shows of the result has to do for a call that
        // comes from inside a call.
        let answer = self.ask(json!({
            "operation": "callInside", "name": export, "arguments": all_to_json(arguments),
        }))?;
        all_from_json(&answer["values"])
    }

    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let request =
            json!({ "operation": "callTable", "index": index, "arguments": all_to_json(arguments) });
        all_from_json(&self.ask(request)?["values"])
    }
}

pub(super) fn error_of(answer: &Json) -> EngineError {
    let words = answer["words"].as_str().unwrap_or("").to_owned();
    let trap = |reason| EngineError::Trap { reason, words: words.clone() };
    match answer["error"].as_str().unwrap_or("") {
        "host" => trap(TrapReason::Host(words.clone())),
        "stack" => trap(TrapReason::StackOverflow),
        "trap" => trap(trap_reason(&words)),
        "compile" => EngineError::Compile { words },
        "export" => EngineError::Export { name: String::new(), words },
        "bounds" => EngineError::OutOfBounds { address: 0, length_bytes: 0 },
        "link" => EngineError::Instantiate { words },
        "timeout" => EngineError::Timeout { limit: Duration::ZERO },
        _ => trap(TrapReason::Other),
    }
}

/// V8 has one class for all traps and tells them apart by words.
fn trap_reason(words: &str) -> TrapReason {
    match words {
        "unreachable" => TrapReason::Unreachable,
        "memory access out of bounds" => TrapReason::MemoryOutOfBounds,
        "operation does not support unaligned accesses" => TrapReason::Unaligned,
        "requested new array is too large" => TrapReason::OutOfMemory,
        _ if words.starts_with("table") => TrapReason::TableOutOfBounds,
        _ if words.starts_with("null function") || words.contains("signature mismatch") => {
            TrapReason::IndirectCall
        }
        _ if ["divide", "remainder", "float unrepresentable"].iter().any(|part| words.starts_with(part)) => {
            TrapReason::Arithmetic
        }
        _ => TrapReason::Other,
    }
}

pub(super) fn in_bounds(
    answer: Result<Json, EngineError>,
    address: u64,
    length_bytes: u64,
) -> Result<Json, EngineError> {
    match answer {
        Err(EngineError::OutOfBounds { .. }) => Err(EngineError::OutOfBounds { address, length_bytes }),
        other => other,
    }
}

fn name_of(memory: Memory<'_>) -> Option<&str> {
    match memory {
        Memory::Main => None,
        Memory::Export(name) => Some(name),
    }
}

pub(super) fn all_to_json(values: &[Value]) -> Vec<Json> {
    values.iter().map(|&value| to_json(value)).collect()
}

/// Decimal text, because JSON's numbers are doubles to JavaScript.
fn to_json(value: Value) -> Json {
    match value {
        Value::I32(value) => json!(["i32", value.to_string()]),
        Value::I64(value) => json!(["i64", value.to_string()]),
        Value::F32(bits) => json!(["f32", bits.to_string()]),
        Value::F64(bits) => json!(["f64", bits.to_string()]),
        Value::V128(bits) => json!(["v128", bits.to_string()]),
        Value::Null | Value::Reference => json!(["ref", "null"]),
    }
}

pub(super) fn all_from_json(values: &Json) -> Result<Vec<Value>, EngineError> {
    values.as_array().into_iter().flatten().map(from_json).collect()
}

fn from_json(value: &Json) -> Result<Value, EngineError> {
    let (kind, text) = (value[0].as_str().unwrap_or(""), value[1].as_str().unwrap_or(""));
    let parsed = match kind {
        "i32" => text.parse().ok().map(Value::I32),
        "i64" => text.parse().ok().map(Value::I64),
        "f32" => text.parse().ok().map(Value::F32),
        "f64" => text.parse().ok().map(Value::F64),
        _ => Some(if text == "null" { Value::Null } else { Value::Reference }),
    };
    parsed.ok_or_else(|| EngineError::engine(format!("node answered a strange value: {value}")))
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn from_hex(text: &Json) -> Result<Vec<u8>, EngineError> {
    let pairs = text.as_str().unwrap_or("").as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let digits = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(digits, 16).ok()
        })
        .collect::<Option<_>>()
        .ok_or_else(|| EngineError::engine("node answered bytes that are not hexadecimal"))
}
