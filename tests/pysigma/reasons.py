"""Names for what pySigma rejects.

In: an exception that pySigma raised. Out: `{"error": class, "reason": code}`, the code being ours: short,
stable and free of the rule's text, which pySigma's messages quote. An exception that is not one of pySigma's
own (or the YAML reader's) is a crash of pySigma on input it did not expect; `"crash": true` says so, the rule
counts as rejected.

Example: `SigmaModifierError("Unknown modifier 'foo'")` gives
`{"error": "SigmaModifierError", "reason": "unknown-modifier"}`.
"""

from __future__ import annotations

import re

import yaml
from sigma.exceptions import SigmaError

# Error class, a pattern found in its message, our code; the first line that fits wins.
REASONS: list[tuple[str, str, str]] = [
    ("SigmaModifierError", "Unknown modifier", "unknown-modifier"),
    ("SigmaTypeError", "incompatible to value type", "modifier-on-wrong-type"),
    ("SigmaTypeError", "Unsupported type", "value-type"),
    ("SigmaTypeError", "Invalid CIDR", "bad-cidr"),
    ("SigmaTypeError", "rule name must be", "name-type"),
    ("SigmaValueError", "strings with wildcards", "wildcard-in-base64"),
    ("SigmaValueError", "must not contain wildcards", "wildcard-in-fieldref"),
    ("SigmaValueError", "Regular expression modifier only", "re-not-first"),
    ("SigmaValueError", "CIDR expression modifier only", "cidr-not-first"),
    ("SigmaValueError", "Exists modifier only", "exists-not-first"),
    ("SigmaValueError", "Exists modifier must be", "exists-without-field"),
    ("SigmaValueError", "Wide modifier only|UTF-16(BE)? modifier only", "not-encodable"),
    ("SigmaValueError", "Invalid number", "bad-number"),
    ("SigmaValueError", "Sigma tag must start", "tag-without-namespace"),
    ("SigmaModifiedError", "windash modifier expands at most", "too-many-dashes"),
    ("SigmaModifiedError", "Rule modified", "bad-modified"),
    ("SigmaRegularExpressionError", "", "bad-regex"),
    ("SigmaConditionError", "at least one condition", "missing-condition"),
    ("SigmaConditionError", "pipe syntax", "pipe-in-condition"),
    ("SigmaConditionError", "not defined in detections", "unknown-selection"),
    ("SigmaConditionError", "doesn't match any detection", "selector-matches-nothing"),
    ("SigmaConditionError", "Null value must be bound", "keyword-without-value"),
    ("SigmaConditionError", r"\(line:\d+, col:\d+\)", "condition-syntax"),
    ("SigmaDetectionError", "must have a detection", "missing-detection"),
    ("SigmaDetectionError", "must be a valid YAML map", "detection-not-a-map"),
    ("SigmaDetectionError", "No detections defined", "no-selections"),
    ("SigmaDetectionError", "Detection is empty", "empty-selection"),
    ("SigmaDetectionError", "Unsupported detection definition", "selection-type"),
    ("SigmaDetectionError", "Recursive|too many nodes", "yaml-aliases"),
    ("SigmaCollectionError", "Recursive|too many nodes", "yaml-aliases"),
    ("SigmaCollectionError", "Unknown Sigma collection action", "unknown-action"),
    ("SigmaLogsourceError", "must have a log source", "missing-logsource"),
    ("SigmaLogsourceError", "can't be empty", "empty-logsource"),
    ("SigmaLogsourceError", "must be a valid YAML map", "logsource-not-a-map"),
    ("SigmaLogsourceError", "must be string", "logsource-type"),
    ("SigmaTitleError", "must have a title", "missing-title"),
    ("SigmaTitleError", "must be a string", "title-type"),
    ("SigmaTitleError", "must not exceed", "title-too-long"),
    ("SigmaStatusError", "cannot be a list", "status-type"),
    ("SigmaStatusError", "not a valid", "unknown-status"),
    ("SigmaLevelError", "must be a string", "level-type"),
    ("SigmaLevelError", "not a valid", "unknown-level"),
    ("SigmaTagError", "", "tags-type"),
    ("SigmaDateError", "", "bad-date"),
    ("SigmaIdentifierError", "", "bad-id"),
    ("SigmaNameError", "", "empty-name"),
    ("SigmaTaxonomyError", "must be a string", "taxonomy-type"),
    ("SigmaTaxonomyError", "must not be empty", "empty-taxonomy"),
    ("SigmaRelatedError", "", "bad-related"),
    ("SigmaFieldsError", "", "fields-type"),
    ("SigmaFalsePositivesError", "", "falsepositives-type"),
    ("SigmaAuthorError", "", "author-type"),
    ("SigmaDescriptionError", "", "description-type"),
    ("SigmaReferencesError", "", "references-type"),
    ("SigmaScopeError", "", "scope-type"),
    ("SigmaLicenseError", "", "license-type"),
    ("SigmaTimespanError", "", "bad-timespan"),
    ("SigmaRuleNotFoundError", "", "unknown-rule"),
    ("SigmaCorrelationTypeError", "without type", "missing-correlation-type"),
    ("SigmaCorrelationTypeError", "no valid", "unknown-correlation-type"),
    ("SigmaCorrelationConditionError", "exactly one condition item", "not-one-operator"),
    ("SigmaCorrelationConditionError", "invalid items", "unknown-condition-key"),
    ("SigmaCorrelationConditionError", "condition count", "bad-count"),
    ("SigmaCorrelationConditionError", "condition percentile", "bad-percentile"),
    ("SigmaCorrelationConditionError", "Failed to parse", "condition-syntax"),
    ("SigmaCorrelationConditionError", "not referenced", "unreferenced-rule"),
    ("SigmaCorrelationConditionError", "not defined in rules", "rule-not-listed"),
    ("SigmaCorrelationRuleError", "Extended conditions", "extended-not-temporal"),
    ("SigmaCorrelationRuleError", "must be a dict or string", "correlation-condition-type"),
    ("SigmaCorrelationRuleError", "without rule references", "missing-rules"),
    ("SigmaCorrelationRuleError", "plain string or list", "rules-type"),
    ("SigmaCorrelationRuleError", "generate definition", "generate-type"),
    ("SigmaCorrelationRuleError", "group-by definition", "group-by-type"),
    ("SigmaCorrelationRuleError", "without timespan", "missing-timespan"),
    ("SigmaCorrelationRuleError", "alias", "aliases-type"),
    ("SigmaCorrelationRuleError", "without condition", "missing-correlation-condition"),
    ("SigmaCorrelationRuleError", "without field reference", "missing-field"),
    ("SigmaCorrelationRuleError", "'correlation' field must be", "correlation-not-a-map"),
    ("SigmaFilterError", "must have a filter", "missing-filter"),
    ("SigmaFilterError", "must be a dictionary", "filter-not-a-map"),
    ("SigmaFilterConditionError", "must be a string", "filter-condition-type"),
    ("SigmaFilterConditionError", "exactly one condition", "missing-condition"),
    ("SigmaFilterRuleReferenceError", "must have a 'rules'", "missing-rules"),
    ("SigmaFilterRuleReferenceError", "must be 'any'", "rules-type"),
    ("SigmaConfigurationError", "Unkown keys", "unknown-pipeline-key"),
    ("SigmaConfigurationError", "Unknown transformation type", "unknown-transformation"),
    ("SigmaConfigurationError", "Missing transformation type", "missing-transformation-type"),
    ("SigmaConfigurationError", "Unknown condition type", "unknown-condition-type"),
    ("SigmaConfigurationError", "Missing condition type", "missing-condition-type"),
    ("SigmaConfigurationError", "unexpected keyword argument", "unknown-parameter"),
    ("SigmaConfigurationError", "missing .* required|requires a non-empty|requires a '", "missing-parameter"),
    ("SigmaConfigurationError", "mutually exclusive to linking", "expression-and-operator"),
    ("SigmaConfigurationError", "must be provided as mapping", "expression-without-names"),
    ("SigmaConfigurationError", "unreferenced condition items", "unused-condition"),
    ("SigmaConfigurationError", "Condition identifier .* not found", "unknown-condition"),
    ("SigmaConfigurationError", "Error parsing condition expression", "expression-syntax"),
    ("SigmaConfigurationError", "Finalizer .* is unknown", "unknown-finalizer"),
    ("SigmaConfigurationError", "include and exclude", "include-and-exclude"),
    ("SigmaConfigurationError", "Invalid method", "bad-method"),
    ("SigmaConfigurationError", "Invalid field name matching mode", "bad-mode"),
    ("SigmaConfigurationError", "for the 'cond' parameter", "bad-cond"),
    ("SigmaConfigurationError", "Invalid operation", "bad-operator"),
    ("SigmaConfigurationError", "Unknown external source format", "bad-format"),
    ("SigmaConfigurationError", "Regular expression .* is invalid|Invalid regex", "bad-regex"),
    ("SigmaConfigurationError", "force_type|Unsupported value type|while initializing", "bad-value"),
    ("SigmaConfigurationError", "Unsupported type", "attribute-type"),
    ("SigmaConfigurationError", "must be a string value|Invalid (number|date|Sigma)", "attribute-value"),
    ("SigmaConfigurationError", "results in multiple field names", "several-fields"),
    ("SigmaConfigurationError", "converted to a regular expression", "placeholder-in-regex"),
    ("SigmaTypeError", "Conditions must be provided", "conditions-type"),
    ("SigmaValueError", "replacement variable", "undefined-variable"),
    ("SigmaValueError", "Replacement variable", "bad-variable"),
    ("SigmaValueError", "expansion exceeds", "too-many-values"),
    ("SigmaValueError", "No valid hash algorithm", "no-hash"),
    ("SigmaValueError", "can't be converted to number", "not-a-number"),
    ("SigmaValueError", "placeholder-only", "placeholder-with-text"),
    ("SigmaSecurityError", "External data source", "external-source"),
    ("SigmaProcessingItemError", "not a valid prefix", "null-prefix"),
    ("SigmaTransformationError", "are not mapped", "unmapped-fields"),
    ("SigmaTransformationError", "", "failure"),
    ("SigmaPipelineParsingError", "", "yaml-syntax"),
    ("YAMLError", "Duplicate key", "duplicate-key"),
    ("ConstructorError", "", "yaml-value"),
    ("ComposerError", "", "yaml-alias"),
    ("ScannerError", "", "yaml-syntax"),
    ("ParserError", "", "yaml-syntax"),
    ("ReaderError", "", "yaml-characters"),
]


def failure(error: Exception) -> dict[str, object]:
    """The class of the error and our code for it; an error without a code is a gap in the table above."""
    name = type(error).__name__
    if not isinstance(error, (SigmaError, yaml.YAMLError)):
        return {"error": name, "reason": "crash", "crash": True}
    for class_name, pattern, code in REASONS:
        if class_name == name and re.search(pattern, str(error)):
            return {"error": name, "reason": code}
    raise LookupError(f"no reason code for {name}: {error}") from error
