"""sbatch controller and local pool behind one protocol."""
