//! The running half of `memgrove trace`: a command under a host of ours, or a function of a library.

use std::path::PathBuf;

use clap::Args;

/// How a module is run.
#[derive(Clone, Debug, Args)]
#[cfg_attr(not(feature = "engines"), allow(dead_code, reason = "nothing is run there"))]
pub(crate) struct RunArgs {
    /// A folder that the program may use, and its name inside; several with one option each
    #[arg(long, value_name = "FOLDER[::NAME]", conflicts_with_all = ["output", "profile"])]
    dir: Vec<String>,

    /// A variable of the program's environment, which is empty otherwise
    #[arg(long, value_name = "NAME=VALUE", conflicts_with_all = ["output", "profile"])]
    env: Vec<String>,

    /// Call this export with numbers in place of `_start`; a library's `_initialize` is called first
    #[arg(long, value_name = "EXPORT", conflicts_with_all = ["output", "profile"])]
    invoke: Option<String>,

    /// Run it on wasmtime or on wasmi
    #[arg(long, value_name = "ENGINE", default_value = "wasmtime", value_parser = ["wasmtime", "wasmi"])]
    engine: String,

    /// Write the recording, too, for --profile and --diff
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "profile"])]
    save: Option<PathBuf>,

    /// The program's arguments, or the numbers of --invoke
    #[arg(value_name = "ARG", allow_negative_numbers = true, conflicts_with_all = ["output", "profile"])]
    arguments: Vec<String>,
}

#[cfg(feature = "engines")]
pub(crate) use self::engines::{record, run};
#[cfg(not(feature = "engines"))]
pub(crate) use self::without::{record, run};

impl RunArgs {
    /// The function that is called.
    pub(crate) fn entered(&self) -> &str {
        self.invoke.as_deref().unwrap_or("_start")
    }

    /// Where the recording is to be written, too.
    pub(crate) fn save(&self) -> anyhow::Result<Option<crate::output_file::Target>> {
        self.save.as_deref().map(|path| crate::output_file::Target::new(path, "--save")).transpose()
    }
}

#[cfg(not(feature = "engines"))]
mod without {
    use anyhow::Result;
    use memgrove_rewrite::trace::Traced;

    use super::super::trace_read::{Original, ReadArgs};
    use super::RunArgs;
    use crate::exit::{self, Exit};
    use crate::output::Output;

    /// Says why nothing is run.
    pub(crate) fn run(
        _: &RunArgs,
        _: &ReadArgs,
        _: &Original<'_>,
        _: impl FnOnce(&mut Output) -> Result<Traced>,
        _: &mut Output,
    ) -> Result<Exit> {
        Err(exit::no_engine("trace FILE").into())
    }

    /// Says why nothing is run.
    pub(crate) fn record(
        _: &RunArgs,
        _: &Original<'_>,
        _: impl FnOnce(&mut Output) -> Result<Vec<u8>>,
        _: Option<&str>,
        _: &mut Output,
    ) -> Result<(Vec<u8>, Exit)> {
        Err(exit::no_engine("check FILE").into())
    }
}

#[cfg(feature = "engines")]
mod engines {
    use std::time::Duration;

    use anyhow::{Context, Result, anyhow};
    use memgrove_inspect::facts::{ExternKind, ValType};
    use memgrove_lab::engine::{
        self, EngineError, EngineId, Host, Instance, Limits, Memory, Settings, TrapReason, Value,
    };
    use memgrove_lab::wasi::{self, ExitStatus, Folder, Streams};
    use memgrove_profile::Profile;
    use memgrove_rewrite::trace::{EXPORT, PLACE_EXPORT, Traced};

    use super::super::trace_read::{self, Original, ReadArgs};
    use super::RunArgs;
    use crate::exit::{Exit, UserError};
    use crate::output::Output;

    /// Programs take their time; who waits for one knows best how long.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);

    /// Runs a module with its recorder, then says what its heap did.
    pub(crate) fn run(
        args: &RunArgs,
        read: &ReadArgs,
        original: &Original<'_>,
        instrument: impl FnOnce(&mut Output) -> Result<Traced>,
        out: &mut Output,
    ) -> Result<Exit> {
        let save = args.save()?;
        let wanted = read.targets(original, save.as_ref().map(|target| (target, "--save")))?;
        let (recording, exit) = record(args, original, |out| Ok(instrument(out)?.wasm), None, out)?;
        if let Some(target) = &save {
            target.write(&recording)?;
        }
        let profile =
            memgrove_api::profile::of(recording, original.facts).with_context(|| original.name.to_owned())?;
        Ok(exit.and(trace_read::present(read, original, &wanted, &[profile], out)?))
    }

    /// Runs a module with its recorder. Returns what it recorded, and how the program ended. `finish` is called behind it.
    pub(crate) fn record(
        args: &RunArgs,
        original: &Original<'_>,
        instrument: impl FnOnce(&mut Output) -> Result<Vec<u8>>,
        finish: Option<&str>,
        out: &mut Output,
    ) -> Result<(Vec<u8>, Exit)> {
        let call = Call::of(args, original)?;
        let (host, status) = host(args, original)?;
        let wasm = instrument(out)?;
        let limits = Limits { call: LONGEST, body_bytes: u64::from(u32::MAX), ..Limits::OWN };
        let engine: EngineId = args.engine.parse().map_err(|_| anyhow!("no engine {}", args.engine))?;
        let engine = engine::open(engine, &Settings::within(limits))?;
        let module = engine.compile(&wasm).with_context(|| original.name.to_owned())?;
        let mut instance = module.instantiate(&host).map_err(|error| missing(error, original))?;
        let end = call.make(&mut *instance);
        let exit = say_end(end, &status, original, out)?;
        if let Some(finish) = finish {
            instance.call(finish, &[])?;
        }
        let memory = Memory::Export(EXPORT);
        let bytes = instance.memory_bytes(memory)?;
        let has_place = module.shape().exports.iter().any(|export| export.name == PLACE_EXPORT);
        let place = if has_place { instance.call(PLACE_EXPORT, &[])?.integer(PLACE_EXPORT)? } else { 0 };
        if has_place && place == 0 {
            return Err(UserError::failed(format!(
                "{}: nothing was recorded, as it did not allocate, or its allocator had no block for the recording",
                original.name
            ))
            .hint("ask for less with --max-log, or leave out --one-memory")
            .into());
        }
        let recorded = instance.read(memory, place, bytes.saturating_sub(place))?;
        Ok((Profile::bytes_of_memory(&recorded)?, exit))
    }

    /// What is called.
    enum Call {
        Command,
        Function { name: String, arguments: Vec<Value>, initializes: bool },
    }

    impl Call {
        /// What the options ask for, if the module has it.
        fn of(args: &RunArgs, original: &Original<'_>) -> Result<Self> {
            let facts = original.facts;
            let Some(name) = &args.invoke else {
                if facts.exported_func("_start").is_some() {
                    return Ok(Self::Command);
                }
                return Err(UserError::usage(format!(
                    "{} is not a command: it exports no function `_start`",
                    original.name
                ))
                .hint("call a function with --invoke EXPORT, or write an instrumented module with -o and run it where it belongs")
                .into());
            };
            let func = facts.exported_func(name).and_then(|func| facts.func_type(func));
            let Some(ty) = func else {
                let known: Vec<&str> = facts
                    .exports
                    .iter()
                    .filter(|export| export.kind == ExternKind::Func)
                    .map(|export| export.name)
                    .take(8)
                    .collect();
                return Err(UserError::usage(format!("no function `{name}` is exported"))
                    .hint(format!("functions that are: {}", known.join(", ")))
                    .into());
            };
            if ty.params().len() != args.arguments.len() {
                return Err(UserError::usage(format!(
                    "`{name}` takes {}, not {}",
                    memgrove_view::count(ty.params().len() as u64, "argument"),
                    args.arguments.len()
                ))
                .into());
            }
            let arguments = args.arguments.iter().zip(ty.params()).map(|(text, &ty)| number(text, ty));
            let initializes = facts.exported_func("_initialize").is_some() && name != "_initialize";
            Ok(Self::Function {
                name: name.clone(),
                arguments: arguments.collect::<Result<_>>()?,
                initializes,
            })
        }

        fn make(&self, instance: &mut dyn Instance) -> Result<Vec<Value>, EngineError> {
            match self {
                Self::Command => Ok(instance.call("_start", &[])?.values),
                Self::Function { name, arguments, initializes } => {
                    if *initializes {
                        instance.call("_initialize", &[])?;
                    }
                    Ok(instance.call(name, arguments)?.values)
                }
            }
        }
    }

    fn type_name(ty: ValType) -> &'static str {
        match ty {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            _ => "reference",
        }
    }

    fn number(text: &str, ty: ValType) -> Result<Value> {
        let wrong = || {
            UserError::usage(format!("`{text}` is not a valid {}", type_name(ty)))
                .hint("numbers are decimal, such as 24 or -1; floating point such as 0.5")
        };
        // An i32 is what the program takes it for: signed or not.
        Ok(match ty {
            ValType::I32 => {
                let signed = text.parse::<i32>().ok();
                Value::I32(
                    signed.or_else(|| Some(text.parse::<u32>().ok()?.cast_signed())).ok_or_else(wrong)?,
                )
            }
            ValType::I64 => {
                let signed = text.parse::<i64>().ok();
                Value::I64(
                    signed.or_else(|| Some(text.parse::<u64>().ok()?.cast_signed())).ok_or_else(wrong)?,
                )
            }
            ValType::F32 => Value::F32(text.parse::<f32>().map_err(|_| wrong())?.to_bits()),
            ValType::F64 => Value::F64(text.parse::<f64>().map_err(|_| wrong())?.to_bits()),
            _ => {
                return Err(UserError::usage(format!("a value of type {} cannot be given", type_name(ty)))
                    .hint("only functions of numbers can be called from here")
                    .into());
            }
        })
    }

    /// The host, with the folders, variables and arguments that were asked for.
    fn host(args: &RunArgs, original: &Original<'_>) -> Result<(Host, ExitStatus)> {
        let folders = args.dir.iter().map(|text| {
            let (host, guest) = text.split_once("::").unwrap_or((text, text));
            Folder { host: host.into(), guest: guest.to_owned() }
        });
        let environment = args.env.iter().map(|text| {
            let pair = text.split_once('=').ok_or_else(|| {
                UserError::usage(format!("--env {text} has no value")).hint("write NAME=VALUE")
            });
            pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        let own_name = original.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let more = if args.invoke.is_some() { &[][..] } else { &args.arguments[..] };
        let command = wasi::Command {
            arguments: std::iter::once(own_name).chain(more.iter().cloned()).collect(),
            environment: environment.collect::<Result<_, _>>()?,
            folders: folders.collect(),
            streams: Streams::inherited(),
        };
        wasi::host(command).with_context(|| format!("--dir {}", args.dir.join(", ")))
    }

    /// Why it cannot be run here.
    fn missing(error: EngineError, original: &Original<'_>) -> anyhow::Error {
        match &error {
            EngineError::Import { unsupplied, .. } if !unsupplied.is_empty() => {
                let names: Vec<&str> = unsupplied.iter().take(4).map(String::as_str).collect();
                UserError::failed(format!(
                    "{} cannot be run here: its host has to provide {}",
                    original.name,
                    names.join(", ")
                ))
                .hint("write an instrumented module with -o, run it under its own host, and read what it recorded with --profile")
                .into()
            }
            _ => anyhow::Error::new(error).context(original.name.to_owned()),
        }
    }

    /// Says how it ended, if not well.
    fn say_end(
        end: Result<Vec<Value>, EngineError>,
        status: &ExitStatus,
        original: &Original<'_>,
        out: &mut Output,
    ) -> Result<Exit> {
        match (end, status.get()) {
            (_, Some(0)) => Ok(Exit::Done),
            (_, Some(status)) => {
                out.note(format!("{} ended with exit status {status}", original.name));
                Ok(Exit::Failed)
            }
            (Ok(values), None) => {
                if !values.is_empty() {
                    let words: Vec<String> = values.iter().map(words).collect();
                    out.note(format!("it returned {}", words.join(", ")));
                }
                Ok(Exit::Done)
            }
            (Err(EngineError::Trap { reason, .. }), None) => {
                let reason: TrapReason = reason;
                out.note(format!("{} ended by a trap: {reason}", original.name));
                Ok(Exit::Failed)
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    fn words(value: &Value) -> String {
        match value {
            Value::I32(value) => value.to_string(),
            Value::I64(value) => value.to_string(),
            Value::F32(bits) => f32::from_bits(*bits).to_string(),
            Value::F64(bits) => f64::from_bits(*bits).to_string(),
            other => format!("{other:?}"),
        }
    }
}
