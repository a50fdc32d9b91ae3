#!/usr/bin/env python3
"""Checks that alerts, their tests, the dashboard and the runbook agree with one another and with the metrics that exist.

    tests/k8s/monitoring.py              every check; exit 1 and one line for each mistake
    tests/k8s/monitoring.py --write      makes alerts.rules.yaml from prometheusrule.yaml
    tests/k8s/monitoring.py --self-test  plants a mistake for each check and expects it to be found

Needs PyYAML. `promtool check rules` and `promtool test rules` prove what PromQL means; this proves what it names.
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "k8s/components/monitoring"
RULE = f"{FOLDER}/prometheusrule.yaml"
RULES = f"{FOLDER}/alerts.rules.yaml"
CASES = f"{FOLDER}/alerts_test.yaml"
DASHBOARD = f"{FOLDER}/dashboard.json"
METRICS = "k8s/metrics.txt"
README = "k8s/README.md"
FILES = (RULE, RULES, CASES, DASHBOARD, METRICS, README)

DASHBOARD_UID = "rollcall"
ROWS = ("Traffic", "Errors", "Latency", "Directory", "Outbox", "Database", "Saturation")

# What Prometheus itself puts on every sample of a PodMonitor's target.
TARGET_LABELS = {"namespace", "pod", "container", "job", "instance", "endpoint"}
# Metrics that others show, with the labels that may be used.
FOREIGN = {
    "up": set(),  # Prometheus
    "kube_poddisruptionbudget_status_current_healthy": {"poddisruptionbudget"},  # kube-state-metrics
    "kube_poddisruptionbudget_status_desired_healthy": {"poddisruptionbudget"},
    "kube_horizontalpodautoscaler_status_current_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_max_replicas": {"horizontalpodautoscaler"},
    "kube_pod_container_status_restarts_total": {"container"},
    "kube_pod_container_resource_limits": {"container", "resource"},
    "container_cpu_usage_seconds_total": {"container"},  # cAdvisor, in the kubelet
    "container_memory_working_set_bytes": {"container"},
    "kubelet_volume_stats_used_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
    "cnpg_pg_replication_lag": set(),  # CloudNativePG
    "cnpg_collector_last_available_backup_timestamp": set(),
    "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp": set(),  # its Barman Cloud plugin
    "certmanager_certificate_expiration_timestamp_seconds": {"name"},  # cert-manager
}

TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<range>\[[^\]]*\])"""
    r"""|(?P<comment>\#[^\n]*)"""
    r"""|(?P<number>\d[\w.]*)"""
    r"""|(?P<name>\$?[a-zA-Z_:][\w:]*)"""
    r"""|(?P<sign>=~|!~|!=|[^\s\w])"""
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {
    "sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk", "quantile",
}  # fmt: skip
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}


class Query:
    """What a PromQL expression names: `selectors` are (metrics, labels), `grouping` the labels of by, on and the like."""

    def __init__(self, text):
        self.selectors = []
        self.grouping = set()
        tokens = [(match.lastgroup, match.group()) for match in TOKEN.finditer(text)]
        self.tokens = [token for token in tokens if token[0] not in ("range", "comment")]
        at = 0
        while at < len(self.tokens):
            at = self._read(at)

    def _sign(self, at):
        return self.tokens[at][1] if at < len(self.tokens) else ""

    def _until(self, at, end):
        taken = []
        while self._sign(at) not in (end, ""):
            taken.append(self.tokens[at])
            at += 1
        return taken, at + 1

    def _read(self, at):
        kind, text = self.tokens[at]
        if text == "{":
            return self._selector(None, at)
        if kind != "name" or text.startswith("$"):
            return at + 1
        if text in GROUPING:
            if self._sign(at + 1) != "(":
                return at + 1
            labels, at = self._until(at + 2, ")")
            self.grouping.update(text for kind, text in labels if kind == "name")
            return at
        if text in WORDS or text in AGGREGATIONS or self._sign(at + 1) == "(":
            return at + 1
        return self._selector(text, at + 1)

    def _selector(self, metric, at):
        metrics, labels = [metric] if metric else [], set()
        if self._sign(at) == "{":
            matchers, at = self._until(at + 1, "}")
            for place, (kind, text) in enumerate(matchers):
                if kind != "name":
                    continue
                if text == "__name__":
                    metrics = matchers[place + 2][1].strip("\"'").split("|")
                else:
                    labels.add(text)
        self.selectors.append((metrics, labels))
        return at


def metrics_in(text):
    """Metric name -> label names, of the Prometheus text format."""
    metrics = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, labels = re.match(r"([\w:]+)(?:\{(.*)\})?\s", line).groups()
            metrics.setdefault(name, set()).update(re.findall(r'(\w+)="(?:\\.|[^"\\])*"', labels or ""))
    return metrics


def unknown_names(text, known):
    """Metrics that there are not, and labels that the metric has not."""
    query = Query(text)
    everything = set(TARGET_LABELS)
    for metrics, labels in query.selectors:
        for metric in metrics:
            if metric not in known:
                yield f"there is no metric {metric}"
                continue
            everything |= known[metric]
            for label in sorted(labels - known[metric] - TARGET_LABELS):
                yield f"{metric} has no label {label}"
    for label in sorted(query.grouping - everything):
        yield f"no metric here has the label {label}"


def alerts_of(files):
    spec = yaml.safe_load(files[RULE])["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"] if "alert" in rule]


def rendered(files):
    """The PrometheusRule's spec as a file that promtool reads."""

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper, value):
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    spec = yaml.safe_load(files[RULE])["spec"]
    body = yaml.dump(spec, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"# The spec of prometheusrule.yaml, made by `tests/k8s/monitoring.py --write`.\n{body}"


def known_metrics(files):
    return metrics_in(files[METRICS]) | FOREIGN


def check_names_in_alerts(files):
    for alert in alerts_of(files):
        for problem in unknown_names(alert["expr"], known_metrics(files)):
            yield f"alert {alert['alert']}: {problem}"


def check_alerts_are_whole(files):
    names = set()
    for alert in alerts_of(files):
        name, notes = alert["alert"], alert.get("annotations", {})
        if name in names:
            yield f"alert {name} is there twice"
        names.add(name)
        if alert.get("labels", {}).get("severity") not in ("page", "ticket"):
            yield f"alert {name}: severity must be page or ticket"
        for wanted in ("summary", "description", "runbook"):
            if not notes.get(wanted):
                yield f"alert {name} lacks a {wanted}"
        query = Query(alert["expr"])
        for label in re.findall(r"\$labels\.(\w+)", " ".join(notes.values())):
            if label not in query.grouping:
                yield f"alert {name}: its text names the label {label}, which its result has not"


def check_rules_are_up_to_date(files):
    if files[RULES] != rendered(files):
        yield f"{RULES} is out of date: run tests/k8s/monitoring.py --write"


def check_alerts_have_cases(files):
    suite = yaml.safe_load(files[CASES])
    fires, silent = set(), set()
    for test in suite["tests"]:
        for case in test.get("alert_rule_test", []):
            if case.get("exp_alerts"):
                fires.add(case["alertname"])
            elif test.get("input_series"):
                silent.add(case["alertname"])
    names = {alert["alert"] for alert in alerts_of(files)}
    for name in sorted(names - fires):
        yield f"alert {name}: no case in {CASES} fires"
    for name in sorted(names - silent):
        yield f"alert {name}: no case in {CASES} is silent"
    for name in sorted((fires | silent) - names):
        yield f"{CASES} tests {name}, which is no alert"


def headings(markdown):
    """The anchors of the headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ +(.*?)\s*$", without_code, flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections_of(markdown):
    """Anchor -> text, of the headings with two signs."""
    parts = re.split(r"^## +(.*?)\s*$", markdown, flags=re.MULTILINE)
    return {next(headings(f"# {title}")): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def check_runbook_links(files):
    anchors, sections = set(headings(files[README])), sections_of(files[README])
    for alert in alerts_of(files):
        name, link = alert["alert"], alert.get("annotations", {}).get("runbook", "")
        path, _, anchor = link.partition("#")
        if path != README or anchor not in anchors:
            yield f"alert {name}: its runbook {link!r} leads nowhere"
        elif f"`{name}`" not in sections.get(anchor, ""):
            yield f"alert {name}: the part {anchor} of {README} does not speak of it"
    known = known_metrics(files)
    for metric in sorted(set(re.findall(r"\b(?:gateway|directory)_[a-z]+(?:_[a-z]+)+\b", files[README])) - set(known)):
        yield f"{README} names {metric}, which is no metric"
    for anchor in re.findall(r"\]\(#([^)]*)\)", files[README]):
        if anchor not in anchors:
            yield f"{README}: the link #{anchor} leads nowhere"


def panels_of(dashboard):
    for panel in dashboard.get("panels", []):
        yield panel
        yield from panel.get("panels", [])


def check_dashboard(files):
    try:
        dashboard = json.loads(files[DASHBOARD])
    except json.JSONDecodeError as error:
        yield f"dashboard: no valid JSON: {error}"
        return
    if dashboard.get("uid") != DASHBOARD_UID:
        yield f"dashboard: its uid must be {DASHBOARD_UID}"
    variables = {variable["name"]: variable for variable in dashboard.get("templating", {}).get("list", [])}
    if variables.get("datasource", {}).get("type") != "datasource":
        yield "dashboard: there is no variable datasource"
    known, ids, rows = known_metrics(files), set(), []
    for panel in panels_of(dashboard):
        title = panel.get("title", "")
        if panel.get("id") in ids:
            yield f"dashboard: the panel id {panel.get('id')} is there twice ({title})"
        ids.add(panel.get("id"))
        if panel.get("type") == "row":
            rows.append(title)
            continue
        if panel.get("datasource", {}).get("uid") != "${datasource}":
            yield f"dashboard, {title}: its datasource must be ${{datasource}}"
        for target in panel.get("targets", []):
            for problem in unknown_names(target["expr"], known):
                yield f"dashboard, {title}: {problem}"
            for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")):
                if label not in Query(target["expr"]).grouping:
                    yield f"dashboard, {title}: its legend names the label {label}, which its result has not"
    for variable in variables.values():
        match = re.fullmatch(r"label_values\((.*),\s*(\w+)\)", str(variable.get("definition", "")))
        for problem in unknown_names(match.group(1), known) if match else ():
            yield f"dashboard, variable {variable['name']}: {problem}"
    if tuple(rows) != ROWS:
        yield f"dashboard: its rows must be {', '.join(ROWS)}"


CHECKS = (
    check_names_in_alerts,
    check_alerts_are_whole,
    check_rules_are_up_to_date,
    check_alerts_have_cases,
    check_runbook_links,
    check_dashboard,
)


def problems(files):
    return [problem for check in CHECKS for problem in check(files)]


def without_case(files, name, firing):
    suite = yaml.safe_load(files[CASES])
    for test in suite["tests"]:
        test["alert_rule_test"] = [
            case
            for case in test.get("alert_rule_test", [])
            if case["alertname"] != name or bool(case.get("exp_alerts")) != firing
        ]
    return yaml.safe_dump(suite)


def self_test(files):
    """Plants one mistake at a time. Each must be found, by the words given."""
    dashboard = json.loads(files[DASHBOARD])
    one, other = [panel["id"] for panel in dashboard["panels"][:2]]

    def replaced(path, old, new):
        assert old in files[path], f"nothing to plant a mistake in: {old} is not in {path}"
        return {path: files[path].replace(old, new)}

    mistakes = [
        (replaced(RULE, "directory_outbox_parked", "directory_outbox_dead"), "no metric directory_outbox_dead"),
        (replaced(METRICS, "directory_schema_version", "directory_schema"), "no metric directory_schema_version"),
        (replaced(RULE, 'code="401"', 'status="401"'), "gateway_http_requests_total has no label status"),
        (replaced(RULE, "min by (namespace, certificate)", "min by (namespace, cert)"), "has the label cert"),
        (replaced(RULE, "on (namespace) group", "on (cluster) group"), "has the label cluster"),
        (replaced(RULE, "kube_poddisruptionbudget_status_current", "kube_pdb_current"), "no metric kube_pdb_current_healthy"),
        (replaced(RULE, "cnpg_collector_last", "cnpg_last"), "no metric cnpg_last_available_backup_timestamp"),
        (replaced(RULE, "severity: page", "severity: critical"), "severity must be page or ticket"),
        (replaced(RULE, "summary: A disable", "title: A disable"), "lacks a summary"),
        (replaced(RULE, "$labels.pod }}", "$labels.node }}"), "names the label node"),
        (replaced(RULE, "alert: RollcallOutboxParked", "alert: RollcallOutboxOld"), "is there twice"),
        (replaced(RULE, "> 0.02", "> 0.05"), "is out of date"),
        ({CASES: without_case(files, "RollcallScimErrors", True)}, "RollcallScimErrors: no case in"),
        ({CASES: without_case(files, "RollcallNoSync", False)}, "RollcallNoSync: no case in"),
        (replaced(CASES, "alertname: RollcallNoSync", "alertname: RollcallGone"), "RollcallGone, which is no alert"),
        (replaced(RULE, "README.md#outbox-stuck", "README.md#outbox"), "leads nowhere"),
        (replaced(README, "## Outbox stuck", "## Outbox"), "leads nowhere"),
        ({README: files[README] + "\n[x](#not-there)\n"}, "link #not-there leads nowhere"),
        (replaced(README, "`RollcallOutboxParked`", "one"), "the part outbox-stuck of"),
        (replaced(README, "directory_db_pool_connections", "directory_db_pool_size"), "directory_db_pool_size, which is no metric"),
        ({DASHBOARD: files[DASHBOARD] + "}"}, "no valid JSON"),
        (replaced(DASHBOARD, f'"uid": "{DASHBOARD_UID}"', '"uid": "other"'), "its uid must be"),
        (replaced(DASHBOARD, '"type": "datasource"', '"type": "custom"'), "no variable datasource"),
        (replaced(DASHBOARD, '"uid": "${datasource}"', '"uid": "prometheus"'), "its datasource must be"),
        (replaced(DASHBOARD, f'"id": {other},', f'"id": {one},'), f"panel id {one} is there twice"),
        (replaced(DASHBOARD, "directory_outbox_pending", "directory_outbox_queue"), "no metric directory_outbox_queue"),
        (replaced(DASHBOARD, "by (route)", "by (path)"), "has the label path"),
        (replaced(DASHBOARD, "{{result}}", "{{outcome}}"), "legend names the label outcome"),
        (replaced(DASHBOARD, "label_values(gateway_build_info", "label_values(gateway_build"), "no metric gateway_build"),
        (replaced(DASHBOARD, '"title": "Saturation"', '"title": "Load"'), "its rows must be"),
    ]
    missed = [wanted for change, wanted in mistakes if not any(wanted in found for found in problems(files | change))]
    for wanted in missed:
        print(f"self-test: a planted mistake was not found: {wanted}")
    print(f"self-test: {len(mistakes) - len(missed)} of {len(mistakes)} planted mistakes found")
    return not missed


def main(arguments):
    if arguments not in ([], ["--write"], ["--self-test"]):
        sys.exit(__doc__)
    if arguments == ["--write"]:
        (ROOT / RULES).write_text(rendered({RULE: (ROOT / RULE).read_text()}))
        return
    files = {path: (ROOT / path).read_text() for path in FILES}
    found = problems(files)
    for problem in found:
        print(problem)
    if found:
        sys.exit(1)
    if arguments == ["--self-test"]:
        sys.exit(0 if self_test(files) else 1)
    print(f"monitoring: {len(alerts_of(files))} alerts, their cases, links and the dashboard agree")


if __name__ == "__main__":
    main(sys.argv[1:])
