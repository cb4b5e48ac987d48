//! What `memgrove fix` has put into a module: told by the marks that it leaves.

use memgrove_module::counted;

use crate::facts::{ExternKind, Facts, offset32};
use crate::report::{Evidence, FunctionRef, Mended};

/// The custom section that a result carries while imports stay.
const SECTION: &str = "memgrove.fixed";
/// What the names of its functions start with, where names were kept.
const PREFIX: &str = "memgrove.";
/// Helpers listed; a result has a few dozen.
const MAX_HELPERS: usize = 64;

/// What has been put in; `None` where no mark is there. O(names + sections).
pub(crate) fn mended(facts: &Facts<'_>) -> Option<Mended> {
    let named = facts.names.funcs.iter().filter(|(func, name)| {
        // An import of this name would be another program's.
        name.starts_with(PREFIX) && *func >= facts.imported_func_count()
    });
    let (mut helpers, mut helper_count) = (Vec::new(), 0);
    for (func, name) in named {
        helper_count += 1;
        if helpers.len() < MAX_HELPERS {
            helpers.push(FunctionRef {
                func,
                name: Some(name.to_owned()),
                exported: facts.exports_of(ExternKind::Func, func).next().is_some(),
                run_by_start: facts.start.is_some_and(|start| start.func == func),
            });
        }
    }
    let mut evidence = Vec::new();
    if let Some(section) = facts.sections.iter().find(|section| section.custom && section.name == SECTION) {
        evidence.push(Evidence::at(section.offset, format!("custom section \"{SECTION}\"")));
    }
    if let Some(first) = helpers.first() {
        let offset = facts.function(first.func).map_or(0, |function| function.body_offset);
        let text = format!("{} with a name that starts with \"{PREFIX}\"", counted(helper_count, "function"));
        evidence.push(Evidence::in_func(first.func, offset, text));
    }
    (!evidence.is_empty()).then(|| Mended { helpers, helper_count: offset32(helper_count), evidence })
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn marks_are_a_section_or_names() {
        let found = |text: &str| {
            let bytes = wat::parse_str(text).unwrap();
            mended(&crate::facts(&bytes).unwrap()).map(|mended| mended.helper_count)
        };
        assert_eq!(found("(module (func $main))"), None);
        assert_eq!(found("(module (import \"a\" \"b\" (func $memgrove.start)))"), None);
        assert_eq!(found("(module (@custom \"memgrove.fixed\" \"\"))"), Some(0));
        assert_eq!(
            found("(module (func $memgrove.start) (func $main) (func $memgrove.resize) (start 0))"),
            Some(2)
        );
    }
}
