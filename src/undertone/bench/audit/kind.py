"""The benchmark of the audit as a kind of experiment: files are written and scored, then judged for error rates."""

from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.gather import gather
from undertone.bench.audit.plan import plan
from undertone.bench.audit.spec import AuditBenchmark
from undertone.experiments.kind import Kind

AUDIT = Kind(spec=AuditBenchmark, findings=AuditBenchmarkFindings, plan=plan, gather=gather)
