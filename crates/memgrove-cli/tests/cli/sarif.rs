//! Reports as SARIF are what its schema asks for.
#![cfg(feature = "engines")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{root, run, workspace};

/// Reads a log and the schema: prints what is wrong with the log.
const VALIDATE: &str = "
    const [tools, log] = process.argv.slice(1), Ajv = require(tools + '/ajv'), fs = require('fs');
    const ajv = new Ajv({ allErrors: true, unknownFormats: 'ignore', schemaId: 'auto' });
    ajv.addMetaSchema(require(tools + '/ajv/lib/refs/json-schema-draft-04.json'));
    const read = (file) => JSON.parse(fs.readFileSync(file));
    const validate = ajv.compile(read(tools + '/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'));
    if (!validate(read(log))) { console.log(JSON.stringify(validate.errors)); process.exit(1); }";

#[test]
#[allow(clippy::print_stderr, reason = "a test says what it left out")]
fn a_log_is_as_its_schema_wants_it() {
    let tools = root().join("out/tools/node_modules");
    if !tools.join("@microsoft/jest-sarif").is_dir() {
        eprintln!("skipped: the schema is not there; `cargo xtask setup` gets it");
        return;
    }
    let tools = fs::canonicalize(tools).unwrap();
    let validate = |log: &Path| {
        let output = Command::new("node").args(["-e", VALIDATE]).arg(&tools).arg(log).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let folder = workspace();
    let ran = run(
        folder.path(),
        &["check", "-q", "leaks.wat", "--invoke", "dropped", "13", "--sarif", "log.sarif"],
    );
    assert_eq!(ran.status.code(), Some(0), "leaks count where it is asked for");
    let log = folder.path().join("log.sarif");
    assert_eq!(validate(&log), (true, String::new()));
    // Of two blocks one hangs on the other.
    let results = serde_json::from_slice::<serde_json::Value>(&fs::read(&log).unwrap()).unwrap();
    let results = results["runs"][0]["results"].as_array().unwrap().clone();
    let texts: Vec<_> =
        results.iter().map(|result| (&result["ruleId"], &result["message"]["text"])).collect();
    assert_eq!(texts, [(&"lost".into(), &"13 bytes in 1 block definitely lost".into())]);
    for misuse in ["overflow", "stale", "twice"] {
        let ran = run(
            folder.path(),
            &["check", "-q", "misuse.wat", "--invoke", misuse, "13", "--sarif", "log.sarif"],
        );
        assert_eq!(ran.status.code(), Some(3), "{misuse}");
        let log = folder.path().join("log.sarif");
        assert_eq!(validate(&log), (true, String::new()), "{misuse}");
        // The schema is looked at: a level that there is not is found.
        let text = fs::read_to_string(&log).unwrap();
        fs::write(&log, text.replace("\"error\"", "\"fatal\"")).unwrap();
        assert!(!validate(&log).0, "{misuse}");
    }
}
