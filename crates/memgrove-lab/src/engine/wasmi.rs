//! wasmi: an interpreter, the second opinion. Its fuel counts its own operations, not wasm's instructions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmi::errors::{ErrorKind, LinkerError};
use wasmi::{
    Caller as EngineCaller, Config, Extern, ExternType, Func, Global, Linker, MemoryType, Ref, Store, Table,
    TableType, Val,
};

use super::apart;
use super::budget::{Account, deadline};
use super::limits::check_code;
use super::running::{Running, Working, engine_values};
use super::wasmi_host::{enter_host, result_slots};
use super::wasmi_value::{from_val, run_error, signature_of, to_val};
use super::{
    Demand, Engine, EngineError, EngineId, Host, Instance, Memory, Module, Outcome, Settings, Shape, Supply,
    Value, check_arguments, read_bytes, write_bytes,
};

/// wasmi panics if its stack is to be smaller than it is at first.
const LEAST_STACK_BYTES: usize = 1000;

pub(super) struct Wasmi {
    engine: wasmi::Engine,
    settings: Settings,
}

impl Wasmi {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut config = Config::default();
        config.consume_fuel(settings.count_fuel);
        config.wasm_multi_memory(!settings.one_memory);
        config.wasm_custom_page_sizes(true);
        config.set_max_stack_height(settings.budget.limits().stack_bytes.max(LEAST_STACK_BYTES));
        Self { engine: wasmi::Engine::new(&config), settings: settings.clone() }
    }
}

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        EngineId::Wasmi.name()
    }

    fn version(&self) -> &str {
        super::versions::WASMI
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let shape = Arc::new(Shape::of(wasm)?);
        let limits = self.settings.budget.limits();
        check_code(&shape, limits)?;
        let (engine, bytes) = (self.engine.clone(), wasm.to_vec());
        let work = move || wasmi::Module::new(&engine, &bytes);
        let module = apart::compile(wasm.len(), self.settings.budget.time(limits.compile)?, work)?
            .map_err(|error| EngineError::Compile { words: error.to_string() })?;
        Ok(Box::new(Compiled { module, shape, settings: self.settings.clone() }))
    }
}

#[derive(Clone)]
struct Compiled {
    module: wasmi::Module,
    shape: Arc<Shape>,
    settings: Settings,
}

/// What a store holds beside the instance.
pub(super) struct State {
    pub(super) account: Account,
    /// The time of the current call, and when it is over: a call of the host looks at the clock.
    pub(super) limit: Duration,
    pub(super) deadline: Instant,
    pub(super) shape: Arc<Shape>,
    pub(super) imported_memory: Option<wasmi::Memory>,
    pub(super) imported_table: Option<Table>,
}

impl Module for Compiled {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn instantiate(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError> {
        let budget = self.settings.budget_of_instance();
        let limit = budget.time(budget.limits().call)?;
        let mut account = Account::new(&budget);
        account.admit(&Demand::of(&self.shape, host))?;
        let (compiled, host) = (self.clone(), host.clone());
        Ok(Box::new(Running::start(budget, limit, move || compiled.start(&host, account, limit))?))
    }
}

impl Compiled {
    /// Makes the instance, on the thread where it will work.
    fn start(&self, host: &Host, account: Account, limit: Duration) -> Result<InStore, EngineError> {
        let state = State {
            account,
            limit,
            deadline: deadline(limit),
            shape: self.shape.clone(),
            imported_memory: None,
            imported_table: None,
        };
        let mut store = Store::new(self.module.engine(), state);
        store.limiter(|state| &mut state.account);
        if self.settings.count_fuel {
            store.set_fuel(self.settings.fuel_limit).map_err(EngineError::engine)?;
        }
        let mut linker = Linker::new(self.module.engine());
        let made = self.supply(host, &mut store, &mut linker).and_then(|unsupplied| {
            linker
                .instantiate_and_start(&mut store, &self.module)
                .map_err(|error| instantiation_error(&error, unsupplied))
        });
        let instance = store.data_mut().account.judge(made)?;
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
        // wasmi lists imports by kind, not in the module's order.
        for import in self.module.imports() {
            let (module, name) = (import.module(), import.name());
            let item: Option<Extern> = match (import.ty(), host.find(module, name)) {
                (ExternType::Func(ty), _) => {
                    let signature = signature_of(ty);
                    host.find_function(module, name, &signature).map(|function| {
                        let call = move |caller: EngineCaller<'_, State>,
                                         parameters: &[Val],
                                         results: &mut [Val]| {
                            enter_host(caller, &function, &signature, parameters, results)
                        };
                        Func::new(&mut *store, ty.clone(), call).into()
                    })
                }
                (ExternType::Memory(ty), Some(Supply::Memory { minimum_pages })) => {
                    let mut builder = MemoryType::builder();
                    builder.memory64(ty.is_64());
                    builder.min(ty.minimum().max(*minimum_pages)).max(ty.maximum());
                    let ty =
                        builder.build().map_err(|error| EngineError::refused_import(module, name, error))?;
                    let memory = wasmi::Memory::new(&mut *store, ty)
                        .map_err(|error| EngineError::refused_import(module, name, error))?;
                    store.data_mut().imported_memory.get_or_insert(memory);
                    Some(memory.into())
                }
                (ExternType::Table(ty), Some(Supply::Table { minimum_elements })) => {
                    let minimum = ty.minimum().max(*minimum_elements);
                    let raised = match (u32::try_from(minimum), ty.maximum().map(u32::try_from).transpose()) {
                        (Ok(minimum), Ok(maximum)) if !ty.is_64() => {
                            TableType::new(ty.element(), minimum, maximum)
                        }
                        _ => TableType::new64(ty.element(), minimum, ty.maximum()),
                    };
                    let made = Table::new(&mut *store, raised, Ref::null(ty.element()));
                    let table = made.map_err(|error| EngineError::refused_import(module, name, error))?;
                    store.data_mut().imported_table.get_or_insert(table);
                    Some(table.into())
                }
                (ExternType::Global(ty), Some(Supply::Global(value))) => {
                    let value = to_val(*value)
                        .ok_or_else(|| EngineError::refused_import(module, name, "no such value"))?;
                    Some(Global::new(&mut *store, value, ty.mutability()).into())
                }
                _ => None,
            };
            match item {
                Some(item) => {
                    linker.define(module, name, item).map_err(EngineError::engine)?;
                }
                None => unsupplied.push(format!("{module}.{name}")),
            }
        }
        let place = |name: &String| {
            self.shape.imports.iter().position(|import| format!("{}.{}", import.module, import.name) == *name)
        };
        unsupplied.sort_by_key(place);
        Ok(unsupplied)
    }
}

fn instantiation_error(error: &wasmi::Error, unsupplied: Vec<String>) -> EngineError {
    match error.kind() {
        ErrorKind::Linker(
            LinkerError::MissingDefinition { name, .. } | LinkerError::InvalidTypeDefinition { name, .. },
        ) => EngineError::Import {
            module: name.module().to_owned(),
            name: name.name().to_owned(),
            words: error.to_string(),
            unsupplied,
        },
        ErrorKind::TrapCode(_) | ErrorKind::Host(_) => run_error(error),
        _ => EngineError::Instantiate { words: error.to_string() },
    }
}

/// An instance and its store.
struct InStore {
    store: Store<State>,
    instance: wasmi::Instance,
    /// Of each call; `None` where fuel is not counted.
    fuel_limit: Option<u64>,
}

impl InStore {
    fn exported(&self, name: &str) -> Result<Extern, EngineError> {
        let item = self.instance.get_export(&self.store, name);
        item.ok_or_else(|| EngineError::export(name, "does not exist"))
    }

    fn memory(&self, memory: Memory<'_>) -> Result<wasmi::Memory, EngineError> {
        let state = self.store.data();
        let name = match (memory, state.imported_memory) {
            (Memory::Export(name), _) => name,
            (Memory::Main, Some(memory)) => return Ok(memory),
            (Memory::Main, None) => state.shape.main_memory()?,
        };
        let item = self.exported(name)?;
        item.into_memory().ok_or_else(|| EngineError::export(name, "is not a memory"))
    }

    fn exported_global(&self, name: &str) -> Result<Global, EngineError> {
        let global = self.exported(name)?.into_global();
        global.ok_or_else(|| EngineError::export(name, "is not a global"))
    }
}

impl Working for InStore {
    fn begin(&mut self, limit: Duration) {
        let state = self.store.data_mut();
        state.limit = limit;
        state.deadline = deadline(limit);
    }

    fn judge<R>(&mut self, outcome: Result<R, EngineError>) -> Result<R, EngineError> {
        self.store.data_mut().account.judge(outcome)
    }
}

impl Instance for InStore {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError> {
        check_arguments(arguments, self.store.data().shape.function(export)?, export)?;
        let Extern::Func(function) = self.exported(export)? else {
            return Err(EngineError::export(export, "is not a function"));
        };
        let arguments = engine_values(arguments, to_val, export)?;
        let mut results = result_slots(&function, &self.store);
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
        Some(self.store.data().account.growths())
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
        Ok(from_val(&self.exported_global(export)?.get(&self.store)))
    }

    fn set_global(&mut self, export: &str, value: Value) -> Result<(), EngineError> {
        let global = self.exported_global(export)?;
        let value =
            to_val(value).ok_or_else(|| EngineError::export(export, "cannot be set to a reference"))?;
        let set = global.set(&mut self.store, value);
        set.map_err(|error| EngineError::export(export, error))
    }
}
