//! `change_logsource`: the rule is for another log source; what is not given is left out.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Made, Transformation, TransformationKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::sigma::Logsource;

pub(super) static KIND: TransformationKind =
    TransformationKind { name: "change_logsource", summary: "Gives the rule another log source.", read };

#[derive(Debug)]
struct ChangeLogsource(Logsource);

fn read(keys: &mut Parameters<'_>) -> Made {
    let mut attribute = |key| keys.text(key).map(|text| text.map(|text| text.to_lowercase()));
    let logsource = Logsource {
        category: attribute("category")?,
        product: attribute("product")?,
        service: attribute("service")?,
    };
    if logsource == Logsource::default() {
        let cause = "`change_logsource` needs a `category`, `product` or `service`";
        let place = keys.required("type")?.span.clone();
        return Err(Box::new(Diagnostic::error(codes::MISSING_KEY, keys.file, place, cause)));
    }
    Ok(Box::new(ChangeLogsource(logsource)))
}

impl Transformation for ChangeLogsource {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        run.rule.rule.logsource.value = self.0.clone();
        Ok(())
    }
}
