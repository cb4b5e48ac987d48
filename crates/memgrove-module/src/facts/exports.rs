//! Exports by name and by what they export: questions about them are asked for each function, import and host.

use super::{Export, ExternKind};

/// Positions in the list of exports, sorted.
#[derive(Debug, Clone, Default)]
pub(super) struct ExportIndex {
    by_name: Vec<u32>,
    by_item: Vec<u32>,
}

impl ExportIndex {
    /// O(n log n).
    pub(super) fn new(exports: &[Export<'_>]) -> Self {
        let positions = || (0..super::offset32(exports.len() as u64)).collect::<Vec<_>>();
        let (mut by_name, mut by_item) = (positions(), positions());
        let at = |position: u32| &exports[position as usize];
        by_name.sort_unstable_by_key(|&position| (at(position).name, position));
        by_item.sort_unstable_by_key(|&position| (at(position).kind, at(position).index, position));
        Self { by_name, by_item }
    }

    /// The first export with this name. O(log n).
    pub(super) fn named<'e, 'a>(&self, exports: &'e [Export<'a>], name: &str) -> Option<&'e Export<'a>> {
        let at = |position: u32| exports.get(position as usize);
        let first =
            self.by_name.partition_point(|&position| at(position).is_some_and(|export| export.name < name));
        let export = at(*self.by_name.get(first)?)?;
        (export.name == name).then_some(export)
    }

    /// The exports of one item, in the order of the file. O(log n) for the first.
    pub(super) fn of<'e, 'a>(
        &'e self,
        exports: &'e [Export<'a>],
        kind: ExternKind,
        index: u32,
    ) -> impl Iterator<Item = &'e Export<'a>> + use<'e, 'a> {
        let at = move |position: u32| exports.get(position as usize);
        let before = move |&position: &u32| {
            at(position).is_some_and(|export| (export.kind, export.index) < (kind, index))
        };
        let first = self.by_item.partition_point(before);
        let from_first = self.by_item.get(first..).unwrap_or_default().iter();
        from_first
            .filter_map(move |&position| at(position))
            .take_while(move |export| export.kind == kind && export.index == index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_found_by_name_and_by_item() {
        let export = |name, kind, index| Export { name, kind, index, offset: 0 };
        let exports = [
            export("z", ExternKind::Func, 7),
            export("a", ExternKind::Memory, 7),
            export("m", ExternKind::Func, 7),
            export("b", ExternKind::Func, 3),
        ];
        let index = ExportIndex::new(&exports);
        assert_eq!(index.named(&exports, "m"), Some(&exports[2]));
        assert_eq!(index.named(&exports, "mm"), None);
        assert_eq!(index.named(&exports, "zz"), None);
        let names = |kind, at| index.of(&exports, kind, at).map(|export| export.name).collect::<Vec<_>>();
        assert_eq!(names(ExternKind::Func, 7), ["z", "m"]);
        assert_eq!(names(ExternKind::Func, 4), [""; 0]);
        assert_eq!(names(ExternKind::Memory, 7), ["a"]);
        assert_eq!(names(ExternKind::Tag, 0), [""; 0]);
    }
}
