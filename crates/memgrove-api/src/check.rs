//! A module that reports misuse of its heap, and what its reports say.

use memgrove_inspect::Facts;
use memgrove_profile::MisuseKind;
use memgrove_rewrite::check::{CheckError, Checked, Layout, NotShared, Options, check, takes};
use memgrove_rewrite::swap::{Member, To};
use memgrove_text::escape_name;
use memgrove_verify::swap::options_for;
use memgrove_view::check::{CheckReport, Suppression};

use crate::error::{Error, UserError};
use crate::trace::{function, named_role, names_of};

/// Blocks that are live at the end, among the kinds that can count.
pub const LEAK: &str = "leak";
/// Those of them that are lost for certain, among the kinds that can count.
pub const LOST: &str = "lost";

/// How a module is checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The allocator's functions, `FUNC=ROLE`; those that the inspector finds, where there is none.
    pub alloc: Vec<String>,
    /// Tell the calls of one function by another apart.
    pub call_sites: bool,
    /// Test in line in loops, and call there only where a test fails.
    pub in_line: bool,
    /// Tell each access by its offset; without, by its function, in a shorter module.
    pub sites: bool,
    /// Functions, by index or name, whose reads may not go beyond a block's end in the word that holds it.
    pub exact: Vec<String>,
    /// Where blocks lie: one of [`Layout::ALL`], by its name.
    pub layout: String,
    /// The most memory that reports and stacks may take, in bytes.
    pub max_bytes: u64,
}

/// The names of the roles that [`Request::alloc`] takes.
#[must_use]
pub fn role_names() -> String {
    names_of(takes)
}

/// Instruments a module whose allocator the inspector finds, or is told. What is told is believed as far as the code does
/// not speak against it.
///
/// # Errors
/// [`Error::User`] with the reason if it is not known well enough, [`Error::Check`] if the module cannot be read.
pub fn instrument(facts: &Facts<'_>, request: &Request) -> Result<Checked, Error> {
    let refused = |why: String| {
        UserError::no(format!("it cannot be checked: {why}"))
            .hint(match &request.alloc[..] {
                [] => {
                    "memgrove inspect -v shows what is known of its allocator; functions can be named with --alloc, such as --alloc \
                     244=malloc,1827=free; memgrove trace needs less of it"
                }
                _ => "--alloc names the lowest functions of the allocator, those that others are built on; memgrove trace needs less of it",
            })
    };
    // The functions are the same whatever they would be replaced by.
    let known = options_for(facts, To::ALL[0]).map_err(|why| refused(why.to_string()))?;
    let named = request.alloc.iter().map(|given| {
        let (func, role) = named_role(given, facts, takes)?;
        Ok::<_, UserError>(Member { func, role, has_heap: false, is_certain: true })
    });
    let named: Vec<Member> = named.collect::<Result<_, _>>()?;
    let mut manners = known.manners;
    if !named.is_empty() {
        // They may be another allocator's than the one that was recognised.
        manners.words_before = 0;
    }
    let exact = request.exact.iter().map(|func| function(func, facts));
    let layout = Layout::named(&request.layout).ok_or_else(|| {
        UserError::usage(format!("there is no layout {}", escape_name(&request.layout)))
            .hint(format!("the layouts are {}", layouts().collect::<Vec<_>>().join(", ")))
    })?;
    let options = Options {
        members: if named.is_empty() { known.members } else { named },
        sbrk: known.sbrk,
        manners,
        call_sites: request.call_sites,
        in_line: request.in_line,
        sites: request.sites,
        exact: exact.collect::<Result<_, _>>()?,
        layout,
        max_bytes: request.max_bytes,
    };
    check(facts, &options).map_err(|error| match error {
        CheckError::Module(_) => Error::Check(error),
        CheckError::Already { .. } => UserError::failed(error.to_string()).hint("check the original").into(),
        CheckError::Shared(NotShared::SameLayout) => {
            UserError::failed(error.to_string()).hint("leave out --layout same").into()
        }
        other => refused(other.to_string()).into(),
    })
}

/// Where blocks can lie in a checked module, by name: the first is the default.
pub fn layouts() -> impl Iterator<Item = &'static str> {
    Layout::ALL.into_iter().map(Layout::name)
}

/// Every kind that can count as a failure.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    suppressible().chain([LOST])
}

/// Every kind that a suppression can name: one of leaks is also one of what is lost.
fn suppressible() -> impl Iterator<Item = &'static str> {
    MisuseKind::all().map(MisuseKind::id).chain([LEAK])
}

/// What a report fails for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failing {
    /// Kinds that count and were found.
    pub kinds: Vec<&'static str>,
    /// What is to be said beside the report, where kinds were named: which of them were found, and which are not known, with the reason.
    pub notes: Vec<String>,
}

/// What was found of the kinds that count; of every kind of misuse where none is named.
#[must_use]
pub fn failing(report: &CheckReport<'_>, fail_on: &[String]) -> Failing {
    let named = |kind: &str| fail_on.iter().any(|wanted| wanted == kind);
    let mut failing = Failing::default();
    let misuses = report.misuses().map(|misuse| misuse.kind.id());
    failing.kinds.extend(misuses.filter(|kind| fail_on.is_empty() || named(kind)));
    if named(LEAK) {
        match report.live() {
            Some(live) if live.blocks > 0 => failing.kinds.push(LEAK),
            Some(_) => {}
            None => {
                failing.notes.push(format!("{LEAK}: not known: the recording does not say what was live"))
            }
        }
    }
    if named(LOST) {
        match report.reachability() {
            Ok(known) if known.lost.blocks + known.indirect.blocks == 0 => {}
            Ok(known) if known.is_certain() => failing.kinds.push(LOST),
            Ok(known) => {
                failing
                    .notes
                    .push(format!("{LOST}: not certain, does not count: {}", known.doubts.join("; ")));
            }
            Err(reason) => failing.notes.push(format!("{LOST}: not known: {reason}")),
        }
    }
    failing.kinds.sort_unstable();
    failing.kinds.dedup();
    if !fail_on.is_empty() && !failing.kinds.is_empty() {
        failing.notes.insert(0, format!("fails for --fail-on {}", failing.kinds.join(",")));
    }
    failing
}

/// The lines of a text of suppressions, `KIND:FUNCTION`; what follows `#` is a comment. `name` says where it is from.
///
/// # Errors
/// The first line that is none.
pub fn suppressions(text: &str, name: &str) -> Result<Vec<Suppression>, UserError> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1_u64..) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let is_kind = |kind: &str| kind == "*" || suppressible().any(|known| known == kind);
        let parts = line.split_once(':').filter(|(kind, function)| is_kind(kind) && !function.is_empty());
        let (kind, function) = parts.ok_or_else(|| {
            UserError::usage(format!("{name}, line {number} is not KIND:FUNCTION"))
                .hint(format!("the kinds are *, {}", suppressible().collect::<Vec<_>>().join(", ")))
        })?;
        found.push(Suppression { kind: kind.to_owned(), function: function.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressions_are_lines_and_the_wrong_one_is_named() {
        let text = "# ours\nleak:cache\n\n*:old # both\n";
        let found = suppressions(text, "s.txt").unwrap();
        let pairs: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.function.as_str())).collect();
        assert_eq!(pairs, [("leak", "cache"), ("*", "old")]);
        let wrong = suppressions("leak:cache\nlaek:cache", "s.txt").unwrap_err();
        assert!(wrong.to_string().contains("line 2"), "{wrong}");
    }

    #[test]
    fn a_module_without_an_allocator_is_refused_with_the_reason() {
        let wasm = wat::parse_str("(module (memory 1))").unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        let error = instrument(&facts, &request(&[])).unwrap_err();
        assert!(error.failure().message.starts_with("it cannot be checked: "), "{error}");
    }

    fn request(alloc: &[&str]) -> Request {
        let alloc = alloc.iter().map(|given| (*given).to_owned()).collect();
        Request {
            alloc,
            call_sites: true,
            in_line: true,
            sites: true,
            exact: Vec::new(),
            layout: "apart".to_owned(),
            max_bytes: 1 << 20,
        }
    }

    #[test]
    fn a_layout_that_there_is_not_is_named() {
        let wasm = wat::parse_str(OWN).unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        let of = |layout: &str| {
            let request = Request { layout: layout.to_owned(), ..request(&["take=malloc", "1=free"]) };
            instrument(&facts, &request)
        };
        assert_eq!(layouts().next(), Some("apart"), "the default");
        assert!(layouts().all(|layout| of(layout).is_ok()));
        let failure = of("wide\n").unwrap_err().failure();
        assert_eq!(failure.message, "there is no layout wide\\u{a}");
        assert_eq!(failure.hint.as_deref(), Some("the layouts are apart, same"));
    }

    /// Functions that bear no name of an allocator's, and do what those do.
    const OWN: &str = r#"(module (memory 1) (global $next (mut i32) (i32.const 1024))
        (func $take (export "take") (param $size i32) (result i32)
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))))
        (func $give (export "give") (param i32))
        (func (export "run") (i32.store8 offset=4 (call $take (i32.const 4)) (i32.const 1))))"#;

    #[test]
    fn functions_that_are_named_stand_for_those_that_are_not_found() {
        let wasm = wat::parse_str(OWN).unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        assert!(instrument(&facts, &request(&[])).is_err());
        let checked = instrument(&facts, &request(&["take=malloc", "1=free"])).unwrap();
        let wrapped: Vec<_> =
            checked.wrapped.iter().map(|member| (member.func, member.role.name())).collect();
        assert_eq!(wrapped, [(0, "malloc"), (1, "free")]);
        let wrong = [
            (&["take=malloc", "1=new"][..], "--alloc 1=new: there is no role new"),
            (&["take"], "--alloc take has no role"),
            (&["take=malloc", "other=free"], "there is no function named other"),
            (&["take=realloc", "1=free"], "it cannot be checked: "),
            (&["take=malloc"], "it cannot be checked: "),
        ];
        for (alloc, message) in wrong {
            let error = instrument(&facts, &request(alloc)).unwrap_err().failure();
            assert!(error.message.starts_with(message), "{alloc:?}: {}", error.message);
        }
    }
}
