//! Host threads on wasmtime: one store and one instance each, over one shared memory.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use memgrove_module::PAGE_BYTES;
use wasmtime::{Extern, Linker, MemoryTypeBuilder, Module, SharedMemory, Store, Val};

use super::apart::Apart;
use super::budget::{Account, deadline};
use super::team::{GRACE, Team, shared_memory};
use super::wasmtime::{compile, engine};
use super::wasmtime_bounds::Bounds;
use super::wasmtime_value::{from_val, run_error, to_val, words};
use super::{Budget, Demand, EngineError, Host, Settings, Shape, Value};

/// Reads a shared memory from inside: from outside that would be a data race, and needs unsafe code.
const PEEK: &str = r#"(module (import "env" "memory" (memory {min} {max} shared))
    (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;

pub(super) struct HostThreads {
    first: Apart<Instance>,
    peek: Instance,
    module: Module,
    memory: SharedMemory,
    /// Where each of the threads hired gets its orders.
    orders: Vec<Sender<Order>>,
    /// What they answer, and the end that is cloned for each.
    reports: (Sender<Report>, Receiver<Report>),
    budget: Budget,
    /// What every instance takes.
    demand: Demand,
    /// What the memory takes, which all share.
    _account: Account,
}

struct Instance {
    store: Store<Bounds>,
    instance: wasmtime::Instance,
    limit: Duration,
}

struct Order {
    export: String,
    arguments: Vec<Value>,
    start: Arc<Barrier>,
}

/// A thread's index, and its answer with the times when it began and ended.
type Report = (usize, Result<(u64, Instant, Instant), EngineError>);

impl HostThreads {
    pub(super) fn new(settings: &Settings, wasm: &[u8]) -> Result<Self, EngineError> {
        let shape = Shape::of(wasm)?;
        let (minimum, maximum) = shared_memory(&shape)?;
        let settings = Settings { count_fuel: false, ..settings.clone() };
        let budget = settings.budget_of_instance();
        // Threads may grow it at any time, so all of it is taken at once.
        let mut account = Account::new(&budget);
        account.take_memory(maximum.saturating_mul(PAGE_BYTES)).map_err(EngineError::Budget)?;
        let engine = engine(&settings)?;
        let module = compile(&engine, &settings, &shape, wasm)?;
        let ty = MemoryTypeBuilder::new()
            .shared(true)
            .min(minimum)
            .max(Some(maximum))
            .build()
            .map_err(EngineError::engine)?;
        let memory = SharedMemory::new(&engine, ty).map_err(EngineError::engine)?;
        let peek = PEEK.replace("{min}", &minimum.to_string()).replace("{max}", &maximum.to_string());
        let peek = wat::parse_str(peek).map_err(EngineError::engine)?;
        let peek = compile(&engine, &settings, &Shape::of(&peek)?, &peek)?;
        let demand = Demand::of(&shape, &Host::new());
        let limits = budget.limits();
        let (first_module, first_memory, first_budget) = (module.clone(), memory.clone(), budget.clone());
        let first = Apart::start(limits.stack_bytes, limits.call, move || {
            Instance::new(&first_module, &first_memory, &first_budget, &demand)
        })?;
        Ok(Self {
            first,
            peek: Instance::new(&peek, &memory, &budget, &Demand::default())?,
            module,
            memory,
            orders: Vec::new(),
            reports: channel(),
            budget,
            demand,
            _account: account,
        })
    }
}

impl Instance {
    fn new(
        module: &Module,
        memory: &SharedMemory,
        budget: &Budget,
        demand: &Demand,
    ) -> Result<Self, EngineError> {
        let limit = budget.time(budget.limits().call)?;
        let mut bounds = Bounds::new(budget);
        bounds.account.admit(demand)?;
        let mut store = Store::new(module.engine(), bounds);
        store.limiter(|bounds| &mut bounds.account);
        store.epoch_deadline_callback(|mut context| context.data_mut().look());
        store.set_epoch_deadline(1);
        store.data_mut().begin(limit);
        let mut linker = Linker::new(module.engine());
        for import in module.imports() {
            linker
                .define(&store, import.module(), import.name(), memory.clone())
                .map_err(EngineError::engine)?;
        }
        let made = linker
            .instantiate(&mut store, module)
            .map_err(|error| EngineError::Instantiate { words: words(&error) });
        let instance = store.data_mut().judge(made)?;
        Ok(Self { store, instance, limit })
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Option<Value>, EngineError> {
        let function = self
            .instance
            .get_func(&mut self.store, export)
            .ok_or_else(|| EngineError::export(export, "is not an exported function"))?;
        let arguments: Option<Vec<_>> = arguments.iter().map(|&value| to_val(value)).collect();
        let arguments = arguments.ok_or_else(|| EngineError::export(export, "takes no such reference"))?;
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        self.store.data_mut().begin(self.limit);
        self.store.set_epoch_deadline(1);
        let outcome = function.call(&mut self.store, &arguments, &mut results);
        self.store.data_mut().judge(outcome.map_err(|error| run_error(&error)))?;
        Ok(results.first().map(from_val))
    }

    /// Gives this instance a stack and thread-local storage of its own.
    fn settle(&mut self, address: u32, bytes: u32) -> Result<(), EngineError> {
        match self.instance.get_export(&mut self.store, "__stack_pointer") {
            Some(Extern::Global(stack)) => {
                let top = address.wrapping_add(bytes).cast_signed();
                stack
                    .set(&mut self.store, Val::I32(top))
                    .map_err(|error| EngineError::export("__stack_pointer", words(&error)))?;
            }
            _ => return Err(EngineError::export("__stack_pointer", "is not an exported global")),
        }
        self.call("__wasm_init_tls", &[Value::u32(address)]).map(drop)
    }
}

impl Team for HostThreads {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Option<Value>, EngineError> {
        let (export, arguments) = (export.to_owned(), arguments.to_vec());
        let limit = self.budget.time(self.budget.limits().call)?;
        self.first.run(limit, move |first| first.call(&export, &arguments))?
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let outside = |_| EngineError::OutOfBounds { address, length_bytes };
        (address..address.saturating_add(length_bytes))
            .map(|byte| {
                let byte = Value::u32(u32::try_from(byte).map_err(outside)?);
                let value = self.peek.call("peek", &[byte])?;
                let value = value.and_then(Value::as_u32).and_then(|value| u8::try_from(value).ok());
                value.ok_or_else(|| EngineError::export("peek", "answered no byte"))
            })
            .collect()
    }

    fn hire(&mut self, count: u32, address: u32, bytes_each: u32) -> Result<(), EngineError> {
        for index in 0..count {
            let (order_sender, orders) = channel::<Order>();
            let (report_sender, number) = (self.reports.0.clone(), self.orders.len());
            let (module, memory) = (self.module.clone(), self.memory.clone());
            let (budget, demand) = (self.budget.clone(), self.demand);
            let (settled_sender, settled) = channel();
            let area = address.wrapping_add(index.wrapping_mul(bytes_each));
            // Wasmtime runs wasm on the thread's own stack; the default for threads is small.
            let stack_bytes = (8 << 20) + self.budget.limits().stack_bytes;
            let work = move || {
                let made = Instance::new(&module, &memory, &budget, &demand).and_then(|mut instance| {
                    instance.settle(area, bytes_each)?;
                    Ok(instance)
                });
                let mut instance = match made {
                    Ok(instance) => instance,
                    Err(error) => return settled_sender.send(Err(error)).unwrap_or(()),
                };
                if settled_sender.send(Ok(())).is_err() {
                    return;
                }
                for order in orders {
                    order.start.wait();
                    let begin = Instant::now();
                    let outcome = instance.call(&order.export, &order.arguments);
                    let end = Instant::now();
                    let report =
                        outcome.map(|value| (value.and_then(Value::as_u64).unwrap_or(0), begin, end));
                    if report_sender.send((number, report)).is_err() {
                        return;
                    }
                }
                // A guest that keeps no thread heaps has nothing to give back.
                let _ = instance.call("thread_exit", &[Value::u32(index)]);
            };
            thread::Builder::new().stack_size(stack_bytes).spawn(work).map_err(EngineError::engine)?;
            let limit = self.budget.limits().call;
            settled.recv_timeout(limit).map_err(|error| match error {
                RecvTimeoutError::Timeout => EngineError::Timeout { limit },
                RecvTimeoutError::Disconnected => EngineError::engine("a thread ended before it had begun"),
            })??;
            self.orders.push(order_sender);
        }
        Ok(())
    }

    fn together(
        &mut self,
        export: &str,
        before: &[Value],
        after: &[Value],
        threads: u32,
    ) -> Result<(Vec<u64>, Duration), EngineError> {
        let members = self
            .orders
            .get(..threads as usize)
            .ok_or_else(|| EngineError::engine("there are fewer threads than are to work"))?;
        let start = Arc::new(Barrier::new(members.len()));
        for (index, orders) in (0..threads).zip(members) {
            let arguments = before.iter().copied().chain([Value::u32(index)]).chain(after.iter().copied());
            let order =
                Order { export: export.to_owned(), arguments: arguments.collect(), start: start.clone() };
            orders.send(order).map_err(|_| EngineError::engine("a thread has ended"))?;
        }
        let mut reports: Vec<Option<(u64, Instant, Instant)>> = vec![None; members.len()];
        let mut outcome = Ok(());
        let limit = self.budget.time(self.budget.limits().call)?;
        let mut end = deadline(limit.saturating_add(GRACE));
        for _ in members {
            // One that waits, or was compiled for timing, cannot be stopped: it goes with the process.
            let left = end.saturating_duration_since(Instant::now());
            match self.reports.1.recv_timeout(left) {
                Ok((number, Ok(report))) => {
                    if let Some(place) = reports.get_mut(number) {
                        *place = Some(report);
                    }
                }
                Ok((_, Err(error))) => {
                    outcome = outcome.and(Err(error));
                    end = end.min(deadline(GRACE));
                }
                Err(_) => {
                    outcome = outcome.and(Err(EngineError::Timeout { limit }));
                    break;
                }
            }
        }
        outcome?;
        let reports: Vec<_> = reports.into_iter().flatten().collect();
        let begin = reports.iter().map(|(_, begin, _)| *begin).min();
        let end = reports.iter().map(|(_, _, end)| *end).max();
        let elapsed = end.zip(begin).map_or(Duration::ZERO, |(end, begin)| end - begin);
        Ok((reports.iter().map(|(value, ..)| *value).collect(), elapsed))
    }
}
