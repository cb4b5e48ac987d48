//! Which machine this is: what matters for a figure, and nothing that names it.

use std::fs;
use std::thread::available_parallelism;

use super::results::Machine;

/// This machine.
#[must_use]
pub fn machine() -> Machine {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Machine {
        cpu: cpu_model(&info).unwrap_or("unknown").to_owned(),
        cores: available_parallelism().map_or(1, usize::from),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let field = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    field("model name").or_else(|| field("Model")).filter(|model| !model.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags: a\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(cpu_model("processor: 0\nModel\t\t: A Board\n"), Some("A Board"));
        assert_eq!(cpu_model(""), None);
    }
}
