//! What the inspector says of the fixed module: it must run where nothing is given.

use memgrove_inspect::{Report, report};
use memgrove_rewrite::Plan;

use super::{Gap, Outcome, Reason};

/// The host profile that provides nothing.
const BARE: &str = "bare";

/// The inspector's verdict on a bare engine, if that is what the plan is for.
pub(super) fn check(report: &Report, plan: &Plan) -> Outcome {
    if !plan.is_complete() {
        return Outcome::Skipped(Gap::new(Reason::ImportsStay, super::remaining(plan)));
    }
    let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.host == BARE) else {
        return Outcome::Skipped(Gap::new(
            Reason::NoHostProfile,
            format!("there is no host profile `{BARE}`"),
        ));
    };
    let words = |reasons: &[report::Reason]| {
        reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    match verdict.outcome {
        report::Outcome::Runs => Outcome::Passed("runs".to_owned()),
        report::Outcome::RunsIf => Outcome::Passed(format!("runs if {}", words(&verdict.conditions))),
        // What fixing is about is imports; a proposal that engines lack, the original needs too.
        report::Outcome::No if verdict.reasons.iter().all(|reason| reason.imports.is_empty()) => {
            Outcome::Skipped(Gap::new(
                Reason::NeedsMoreThanImports,
                format!("it asks for more than imports: {}", words(&verdict.reasons)),
            ))
        }
        report::Outcome::No => Outcome::Failed(words(&verdict.reasons)),
    }
}
