"""The passes that come with prunec, one file each: analyses, searches and rewrites.

`PASSES` is the table behind the entry point `passes` of the group `prunec`: the name that pipelines use,
to where the class is. A place is imported when its pass is first asked for, so that the table costs
nothing. Other packages add passes by an entry point of the same group and name, with a table like this.
"""

PASSES: dict[str, str] = {
    "structure": "prunec.passes.analysis.structure:StructurePass",
    "baseline": "prunec.passes.analysis.baseline:BaselinePass",
    "cost": "prunec.passes.analysis.cost:CostPass",
    "calibrate": "prunec.passes.analysis.calibrate:CalibratePass",
    "grain": "prunec.passes.analysis.grain:GrainPass",
    "importance": "prunec.passes.analysis.importance:ImportancePass",
    "semantics": "prunec.passes.analysis.semantics:SemanticsPass",
    "ken": "prunec.passes.analysis.ken:KenPass",
    "damage": "prunec.passes.analysis.damage:DamagePass",
    "load-path": "prunec.passes.analysis.load_path:LoadPathPass",
    "save-path": "prunec.passes.analysis.save_path:SavePathPass",
    "solution-path": "prunec.passes.analysis.solution_path:SolutionPathPass",
    "knapsack": "prunec.passes.search.knapsack:KnapsackPass",
    "uniform": "prunec.passes.search.uniform:UniformPass",
    "same-shape": "prunec.passes.search.same_shape:SameShapePass",
    "ranked": "prunec.passes.search.ranked:RankedPass",
    "summed": "prunec.passes.search.summed:SummedPass",
    "greedy-loss": "prunec.passes.search.greedy_loss:GreedyLossPass",
    "layer-influence": "prunec.passes.search.layer_influence:LayerInfluencePass",
    "sublayer": "prunec.passes.search.sublayer:SublayerPass",
    "surrogate": "prunec.passes.search.surrogate:SurrogatePass",
    "evolve": "prunec.passes.search.evolve:EvolvePass",
    "path": "prunec.passes.search.path:PathPass",
    "remove": "prunec.passes.rewrite.remove:RemovePass",
    "settle": "prunec.passes.analysis.settle:SettlePass",
    "recover": "prunec.passes.rewrite.recover:RecoverPass",
    "distill": "prunec.passes.rewrite.distill:DistillPass",
    "smooth": "prunec.passes.rewrite.smooth:SmoothPass",
    "emit": "prunec.passes.analysis.emit:EmitPass",
    "verify": "prunec.passes.analysis.verify:VerifyPass",
    "weakness": "prunec.passes.analysis.weakness:WeaknessPass",
    "evaluate": "prunec.passes.analysis.evaluate:EvaluatePass",
    "outlook": "prunec.passes.analysis.outlook:OutlookPass",
    "plain-export": "prunec.passes.analysis.plain_export:PlainExportPass",
    "rival": "prunec.passes.analysis.rival:RivalPass",
}
