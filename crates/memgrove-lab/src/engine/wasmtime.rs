//! Wasmtime: compiled code, and fuel: one for each executed instruction and one for each byte of
//! `memory.copy` and `memory.fill` (its own table of costs).

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{
    Caller as EngineCaller, Config, Extern, ExternType, Func, Global, Linker, MemoryType, OptLevel,
    OutOfMemory, Ref, RegallocAlgorithm, SharedMemory, Store, Table, TableType, Trap, UnknownImportError,
    Val, WasmFeatures,
};

use super::apart;
use super::limits::check_code;
use super::running::{Running, Working, engine_values};
use super::wasmtime_bounds::{Bounds, tick};
use super::wasmtime_host::enter_host;
use super::wasmtime_price::costs;
use super::wasmtime_value::{from_val, run_error, to_val, words};
use super::{
    Demand, Engine, EngineError, EngineId, Exceeded, Host, HostTrap, ImportKind, Instance, Memory, Module,
    Outcome, Resource, Settings, Shape, Supply, Value, check_arguments, read_bytes, write_bytes,
};

pub(super) struct Wasmtime {
    engine: wasmtime::Engine,
    settings: Settings,
}

impl Wasmtime {
    pub(super) fn new(settings: &Settings) -> Result<Self, EngineError> {
        Ok(Self { engine: engine(settings)?, settings: settings.clone() })
    }
}

/// Makes every wasmtime in this crate.
pub(super) fn engine(settings: &Settings) -> Result<wasmtime::Engine, EngineError> {
    let engine = wasmtime::Engine::new(&config(settings)?).map_err(EngineError::engine)?;
    if !settings.timing {
        tick(&engine)?;
    }
    Ok(engine)
}

fn config(settings: &Settings) -> Result<Config, EngineError> {
    let mut config = Config::new();
    config.consume_fuel(settings.count_fuel);
    config.epoch_interruption(!settings.timing);
    if settings.count_fuel {
        // Fuel counts wasm's instructions, whatever becomes of them: compiling quickly is worth more here.
        config.cranelift_opt_level(OptLevel::None);
        config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    }
    if let Some(price) = &settings.price {
        config.operator_cost(costs(price)?);
    }
    config.max_wasm_stack(settings.budget.limits().stack_bytes);
    config.wasm_threads(true);
    config.shared_memory(true);
    for feature in [
        WasmFeatures::TAIL_CALL,
        WasmFeatures::MEMORY64,
        WasmFeatures::EXTENDED_CONST,
        WasmFeatures::FUNCTION_REFERENCES,
        WasmFeatures::GC,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::CUSTOM_PAGE_SIZES,
    ] {
        config.wasm_features(feature, true);
    }
    config.wasm_features(WasmFeatures::MULTI_MEMORY, !settings.one_memory);
    Ok(config)
}

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        EngineId::Wasmtime.name()
    }

    fn version(&self) -> &str {
        super::versions::WASMTIME
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let shape = Arc::new(Shape::of(wasm)?);
        let module = compile(&self.engine, &self.settings, &shape, wasm)?;
        Ok(Box::new(Compiled { module, shape, settings: self.settings.clone() }))
    }
}

/// Compiles within the time and the size that the budget has for it.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    settings: &Settings,
    shape: &Shape,
    wasm: &[u8],
) -> Result<wasmtime::Module, EngineError> {
    let limits = settings.budget.limits();
    check_code(shape, limits)?;
    let (engine, bytes) = (engine.clone(), wasm.to_vec());
    let work = move || wasmtime::Module::new(&engine, &bytes);
    apart::compile(wasm.len(), settings.budget.time(limits.compile)?, work)?
        .map_err(|error| EngineError::Compile { words: words(&error) })
}

#[derive(Clone)]
struct Compiled {
    module: wasmtime::Module,
    shape: Arc<Shape>,
    settings: Settings,
}

/// What a store holds beside the instance.
pub(super) struct State {
    pub(super) bounds: Bounds,
    pub(super) shape: Arc<Shape>,
    pub(super) imported_memory: Option<wasmtime::Memory>,
    pub(super) imported_table: Option<Table>,
}

impl Module for Compiled {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn instantiate(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError> {
        let budget = self.settings.budget_of_instance();
        let limit = budget.time(budget.limits().call)?;
        let mut bounds = Bounds::new(&budget);
        bounds.account.admit(&Demand::of(&self.shape, host))?;
        let (compiled, host) = (self.clone(), host.clone());
        Ok(Box::new(Running::start(budget, limit, move || compiled.start(&host, bounds, limit))?))
    }
}

impl Compiled {
    /// Makes the instance, on the thread where it will work.
    fn start(&self, host: &Host, bounds: Bounds, limit: Duration) -> Result<InStore, EngineError> {
        let state = State { bounds, shape: self.shape.clone(), imported_memory: None, imported_table: None };
        let mut store = Store::new(self.module.engine(), state);
        store.limiter(|state| &mut state.bounds.account);
        if !self.settings.timing {
            store.epoch_deadline_callback(|mut context| context.data_mut().bounds.look());
            store.set_epoch_deadline(1);
        }
        if self.settings.count_fuel {
            store.set_fuel(self.settings.fuel_limit).map_err(EngineError::engine)?;
        }
        store.data_mut().bounds.begin(limit);
        let mut linker = Linker::new(self.module.engine());
        let made = self.supply(host, &mut store, &mut linker).and_then(|unsupplied| {
            linker
                .instantiate(&mut store, &self.module)
                .map_err(|error| instantiation_error(&error, unsupplied))
        });
        let instance = store.data_mut().bounds.judge(made)?;
        let exports: Vec<_> = instance.exports(&mut store).map(|export| export.into_extern()).collect();
        for memory in exports.into_iter().filter_map(Extern::into_shared_memory) {
            store.data_mut().bounds.watch(memory);
        }
        let fuel_limit = self.settings.count_fuel.then_some(self.settings.fuel_limit);
        Ok(InStore { store, instance, fuel_limit })
    }

    /// Defines what the host has for the module's imports; answers the names of the rest.
    fn supply(
        &self,
        host: &Host,
        store: &mut Store<State>,
        linker: &mut Linker<State>,
    ) -> Result<Vec<String>, EngineError> {
        linker.allow_shadowing(true); // a module may import one name twice
        let mut unsupplied = Vec::new();
        for (import, described) in self.module.imports().zip(&self.shape.imports) {
            let (module, name) = (import.module(), import.name());
            let item: Option<Extern> = match (import.ty(), host.find(module, name)) {
                (ExternType::Func(ty), _) => {
                    let ImportKind::Function(signature) = &described.kind else {
                        continue;
                    };
                    host.find_function(module, name, signature).map(|function| {
                        let signature = signature.clone();
                        let call = move |caller: EngineCaller<'_, State>,
                                         parameters: &[Val],
                                         results: &mut [Val]| {
                            enter_host(caller, &function, &signature, parameters, results)
                        };
                        Func::new(&mut *store, ty, call).into()
                    })
                }
                (ExternType::Memory(ty), Some(Supply::Memory { minimum_pages })) => {
                    let ty = raised(&ty, *minimum_pages)
                        .map_err(|words| EngineError::refused_import(module, name, words))?;
                    let made = supplied_memory(store, ty);
                    Some(made.map_err(|error| match lacks_memory(&error) {
                        true => host_memory(),
                        false => EngineError::refused_import(module, name, words(&error)),
                    })?)
                }
                (ExternType::Table(ty), Some(Supply::Table { minimum_elements })) => {
                    let minimum = ty.minimum().max(*minimum_elements);
                    let raised = match (u32::try_from(minimum), ty.maximum().map(u32::try_from).transpose()) {
                        (Ok(minimum), Ok(maximum)) if !ty.is_64() => {
                            TableType::new(ty.element().clone(), minimum, maximum)
                        }
                        _ => TableType::new64(ty.element().clone(), minimum, ty.maximum()),
                    };
                    let null = Ref::null(ty.element().heap_type());
                    let table = Table::new(&mut *store, raised, null)
                        .map_err(|error| EngineError::refused_import(module, name, words(&error)))?;
                    store.data_mut().imported_table.get_or_insert(table);
                    Some(table.into())
                }
                (ExternType::Global(ty), Some(Supply::Global(value))) => {
                    let value = to_val(*value)
                        .ok_or_else(|| EngineError::refused_import(module, name, "no such value"))?;
                    let global = Global::new(&mut *store, ty, value)
                        .map_err(|error| EngineError::refused_import(module, name, words(&error)))?;
                    Some(global.into())
                }
                _ => None,
            };
            match item {
                Some(item) => {
                    linker.define(&*store, module, name, item).map_err(EngineError::engine)?;
                }
                None => unsupplied.push(format!("{module}.{name}")),
            }
        }
        Ok(unsupplied)
    }
}

fn supplied_memory(store: &mut Store<State>, ty: MemoryType) -> wasmtime::Result<Extern> {
    if ty.is_shared() {
        // No limiter is asked for a shared memory.
        let bytes = ty.minimum().saturating_mul(ty.page_size());
        store.data_mut().bounds.account.take_memory(bytes)?;
        let memory = SharedMemory::new(store.engine(), ty)?;
        store.data_mut().bounds.watch(memory.clone());
        return Ok(memory.into());
    }
    let memory = wasmtime::Memory::new(&mut *store, ty)?;
    store.data_mut().imported_memory.get_or_insert(memory);
    Ok(memory.into())
}

fn raised(ty: &MemoryType, minimum_pages: u64) -> Result<MemoryType, String> {
    let minimum = ty.minimum().max(minimum_pages);
    let mut builder = wasmtime::MemoryTypeBuilder::new();
    builder.memory64(ty.is_64()).shared(ty.is_shared()).min(minimum).max(ty.maximum());
    builder.page_size_log2(ty.page_size_log2());
    builder.build().map_err(|error| words(&error))
}

/// Whether the operating system refused what the limits allow, which wasmtime tells in words.
fn lacks_memory(error: &wasmtime::Error) -> bool {
    error.is::<OutOfMemory>() || error.chain().any(|cause| cause.to_string().starts_with("mmap failed"))
}

/// Another machine may have what this one has not.
fn host_memory() -> EngineError {
    EngineError::Budget(Exceeded { resource: Resource::HostMemory, asked: 0, limit: 0 })
}

fn instantiation_error(error: &wasmtime::Error, unsupplied: Vec<String>) -> EngineError {
    if lacks_memory(error) {
        return host_memory();
    }
    if let Some(unknown) = error.downcast_ref::<UnknownImportError>() {
        let (module, name) = (unknown.module().to_owned(), unknown.name().to_owned());
        return EngineError::Import { module, name, words: words(error), unsupplied };
    }
    if error.is::<Trap>() || error.is::<HostTrap>() {
        return run_error(error);
    }
    EngineError::Instantiate { words: words(error) }
}

/// An instance and its store.
struct InStore {
    store: Store<State>,
    instance: wasmtime::Instance,
    /// Of each call; `None` where fuel is not counted.
    fuel_limit: Option<u64>,
}

impl InStore {
    fn exported(&mut self, name: &str) -> Result<Extern, EngineError> {
        self.instance
            .get_export(&mut self.store, name)
            .ok_or_else(|| EngineError::export(name, "does not exist"))
    }

    fn memory(&mut self, memory: Memory<'_>) -> Result<wasmtime::Memory, EngineError> {
        let shape = self.store.data().shape.clone();
        let name = match (memory, self.store.data().imported_memory) {
            (Memory::Export(name), _) => name,
            (Memory::Main, Some(memory)) => return Ok(memory),
            (Memory::Main, None) => shape.main_memory()?,
        };
        memory_of(self.exported(name)?, name)
    }

    fn exported_global(&mut self, name: &str) -> Result<Global, EngineError> {
        let global = self.exported(name)?.into_global();
        global.ok_or_else(|| EngineError::export(name, "is not a global"))
    }
}

pub(super) fn memory_of(item: Extern, name: &str) -> Result<wasmtime::Memory, EngineError> {
    match item {
        Extern::Memory(memory) => Ok(memory),
        Extern::SharedMemory(_) => {
            Err(EngineError::export(name, "is shared; it can be read from inside only"))
        }
        _ => Err(EngineError::export(name, "is not a memory")),
    }
}

impl Working for InStore {
    fn begin(&mut self, limit: Duration) {
        self.store.data_mut().bounds.begin(limit);
        self.store.set_epoch_deadline(1);
    }

    fn judge<R>(&mut self, outcome: Result<R, EngineError>) -> Result<R, EngineError> {
        self.store.data_mut().bounds.judge(outcome)
    }
}

impl Instance for InStore {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError> {
        let shape = self.store.data().shape.clone();
        let signature = shape.function(export)?;
        check_arguments(arguments, signature, export)?;
        let Extern::Func(function) = self.exported(export)? else {
            return Err(EngineError::export(export, "is not a function"));
        };
        let arguments = engine_values(arguments, to_val, export)?;
        let mut results = vec![Val::I32(0); signature.results.len()];
        if let Some(limit) = self.fuel_limit {
            self.store.set_fuel(limit).map_err(EngineError::engine)?;
        }
        let start = Instant::now();
        let outcome = function.call(&mut self.store, &arguments, &mut results);
        let elapsed = start.elapsed();
        outcome.map_err(|error| run_error(&error))?;
        let left = self.fuel_limit.and_then(|_| self.store.get_fuel().ok());
        let fuel = self.fuel_limit.zip(left).map(|(limit, left)| limit.saturating_sub(left));
        Ok(Outcome { values: results.iter().map(from_val).collect(), elapsed, fuel })
    }

    fn limit_fuel(&mut self, fuel: u64) {
        self.fuel_limit = self.fuel_limit.map(|_| fuel);
    }

    fn growths(&mut self) -> Option<u64> {
        Some(self.store.data().bounds.account.growths())
    }

    fn memory_bytes(&mut self, memory: Memory<'_>) -> Result<u64, EngineError> {
        Ok(self.memory(memory)?.data_size(&self.store) as u64)
    }

    fn read(&mut self, memory: Memory<'_>, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        read_bytes(self.memory(memory)?.data(&self.store), address, length_bytes)
    }

    fn write(&mut self, memory: Memory<'_>, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        write_bytes(self.memory(memory)?.data_mut(&mut self.store), address, bytes)
    }

    fn grow(&mut self, memory: Memory<'_>, pages: u64) -> Result<Option<u64>, EngineError> {
        Ok(self.memory(memory)?.grow(&mut self.store, pages).ok())
    }

    fn global(&mut self, export: &str) -> Result<Value, EngineError> {
        Ok(from_val(&self.exported_global(export)?.get(&mut self.store)))
    }

    fn set_global(&mut self, export: &str, value: Value) -> Result<(), EngineError> {
        let global = self.exported_global(export)?;
        let value =
            to_val(value).ok_or_else(|| EngineError::export(export, "cannot be set to a reference"))?;
        let set = global.set(&mut self.store, value);
        set.map_err(|error| EngineError::export(export, words(&error)))
    }
}
