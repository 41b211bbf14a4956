"""Results with everything that makes them again, as a Workflow-Run RO-Crate."""
