//! Which functions of a module can be swapped for others, by what the inspector says of them; and whether the result does
//! what the original does.

mod compare;
mod cost;
mod drive;
mod exports;
mod observation;
mod observed;
mod random;
mod verify;
mod work;

pub use cost::{Cost, Costs, costs};
pub use verify::{SwapCheck, SwapQuestion, SwapVerification, verify};

use memgrove_inspect::Facts;
use memgrove_inspect::report::{AllocatorFunction, AllocatorRole, Convention, Report};
use memgrove_rewrite::swap::{Manners, Member, Options, Refusal, Role, To};

/// Above it a conclusion cannot be otherwise.
const CERTAIN: f32 = 0.9;

/// Below it a conclusion rests on what toolchains usually do.
const LIKELY: f32 = 0.7;

/// Families of allocators under a collector, and whose it is.
const COLLECTED: [(&str, &str); 6] = [
    ("assemblyscript", "AssemblyScript"),
    ("tinygo", "TinyGo"),
    ("go", "Go"),
    ("dotnet", ".NET"),
    ("managed", "a managed language"),
    ("engine", "the engine"),
];

/// What to replace in a module by which heap.
///
/// # Errors
/// If the heap is a collector's.
pub fn options(report: &Report, to: To) -> Result<Options, Refusal> {
    let family = report.allocator.identity.value.as_ref().map_or("", |value| value.family.as_str());
    if let Some((_, language)) = COLLECTED.iter().find(|(known, _)| *known == family) {
        return Err(Refusal::Collected { language });
    }
    let functions = &report.allocator.functions;
    let members = functions.iter().filter_map(member).collect();
    let mut manners = manners(family);
    if report.allocator.identity.confidence.value() <= LIKELY {
        manners.words_before = 0;
    }
    let sbrk = functions.iter().find(|function| function.role == AllocatorRole::Sbrk);
    Ok(Options { to, members, sbrk: sbrk.map(|function| function.func), manners })
}

/// What an allocator of this family does where the standards leave it free.
fn manners(family: &str) -> Manners {
    let mut manners = Manners::default();
    manners.realloc_zero_frees = family == "emmalloc";
    manners.rounds_alignment = family == "dlmalloc";
    manners.marks_mapped_blocks = family == "dlmalloc";
    manners.empty_is_alignment = family == "wee_alloc";
    manners.words_before = match family {
        // A length with flags.
        "dlmalloc" | "emmalloc" => 1,
        // The two neighbours.
        "wee_alloc" => 2,
        _ => 0,
    };
    manners
}

/// What a function of the allocator promises; `None` if that is not known, or is built on others that are.
fn member(function: &AllocatorFunction) -> Option<Member> {
    let abi = function.abi?;
    if !matches!(abi.convention, Convention::C | Convention::Rust) {
        return None;
    }
    let (role, has_heap) = Role::of(function.role, abi.params)?;
    Some(Member { func: function.func, role, has_heap, is_certain: function.confidence.value() > CERTAIN })
}

/// The same for a module that has been read.
///
/// # Errors
/// As for [`options`].
pub fn options_for(facts: &Facts<'_>, to: To) -> Result<Options, Refusal> {
    options(&memgrove_inspect::conclude(facts), to)
}
