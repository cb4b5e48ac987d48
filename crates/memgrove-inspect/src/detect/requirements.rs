//! What the imports are for.

use super::imports::ImportMeanings;
use crate::facts::{Facts, offset32};
use memgrove_module::recognise::Purpose;

use crate::report::{ImportName, ImportUse, PurposeGroup, Requirements};

/// Groups the imports by purpose, in the order of the purposes in `knowledge/imports.toml`.
pub(crate) fn requirements(facts: &Facts<'_>, meanings: &ImportMeanings<'_, '_, '_>) -> Requirements {
    let mut groups: Vec<PurposeGroup> = Purpose::ALL
        .iter()
        .map(|purpose| PurposeGroup {
            purpose: purpose.id().to_owned(),
            title: purpose.title().to_owned(),
            imports: Vec::new(),
        })
        .collect();
    for (at, import) in facts.imports.iter().enumerate() {
        let purpose = meanings.purpose(at);
        let Some(group) = groups.iter_mut().find(|group| group.purpose == purpose.id()) else { continue };
        group.imports.push(ImportUse {
            index: offset32(at as u64),
            name: ImportName { module: import.module.to_owned(), name: import.name.to_owned() },
            kind: import.ty.kind(),
            ty: import.ty.describe(facts),
            offset: import.offset,
            meaning: meanings.meaning(at),
        });
    }
    groups.retain(|group| !group.imports.is_empty());
    Requirements { groups, import_count: offset32(facts.imports.len() as u64) }
}
