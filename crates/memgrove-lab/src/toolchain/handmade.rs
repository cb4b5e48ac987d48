//! A module written by hand as text, where the compiler that made such modules is gone.

use super::{Absence, Driver, Plan, Recipe, Toolchain, Tools, Workplace};

pub(super) struct Handmade;

impl Toolchain for Handmade {
    fn id(&self) -> &'static str {
        "handmade"
    }

    fn name(&self) -> &'static str {
        "Emscripten 2018 (hand-made)"
    }

    fn install(&self) -> &'static str {
        "nothing: the text is assembled by memgrove"
    }

    fn detect(&self, _: &Tools) -> Result<Box<dyn Driver>, Absence> {
        Ok(Box::new(Assembler))
    }
}

struct Assembler;

impl Driver for Assembler {
    fn versions(&self) -> Vec<String> {
        vec![format!("memgrove {}", env!("CARGO_PKG_VERSION"))]
    }

    fn plan(&self, _: &Recipe, place: &Workplace) -> Plan {
        Plan { steps: Vec::new(), module: place.samples.join("study/fastcomp2018/app.wat"), glue: None }
    }
}
