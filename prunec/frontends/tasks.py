"""What a task means: which class loads it, which inputs it takes, which outputs count."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prunec.errors import InputError

TEXT = ("input_ids", "attention_mask", "token_type_ids")
IMAGE = ("pixel_values",)
AUDIO = ("input_values", "input_features", "attention_mask")
SEQ2SEQ = (*TEXT, "decoder_input_ids")
MAPS = ("attentions", "cross_attentions", "encoder_attentions", "decoder_attentions")
"""What transformers calls the weights of attentions, which some models return: to look at, not what a task is for."""


@dataclass(frozen=True)
class Task:
    """One task, named as optimum names it.

    Attributes:
        name: as `--task` takes it.
        auto_class: the transformers auto class that loads a model for it.
        outputs: the model outputs that count; the rest is cut off as dead code.
        inputs: the inputs that may be fed, where the model takes them.
        objective: what damage is measured on: `causal-lm`, `features`, `logits`, `detections` or `values`.
        has_labels: whether a model's config says what its outputs stand for.
        phase: the workload phase, `prefill` or `encode`.
    """

    name: str
    auto_class: str
    outputs: tuple[str, ...] = ("logits",)
    inputs: tuple[str, ...] = TEXT
    objective: str = "logits"
    has_labels: bool = False
    phase: str = "encode"

    def objective_of(self, config: Mapping[str, object]) -> str:
        """What the damage of a model with `config` is measured on.

        A model with one label gives a number, such as the score of a reranker; one may also say of each of its labels
        whether it holds.
        """
        labels, problem = config.get("id2label"), config.get("problem_type")
        if not self.has_labels:
            return self.objective
        if problem == "multi_label_classification":
            return "label-sets"
        one = isinstance(labels, Mapping) and len(labels) == 1
        return "values" if one or problem == "regression" else self.objective


TASKS = {
    task.name: task
    for task in (
        Task("text-generation", "AutoModelForCausalLM", objective="causal-lm", phase="prefill"),
        Task(
            "feature-extraction",
            "AutoModel",
            ("last_hidden_state",),
            tuple(dict.fromkeys((*SEQ2SEQ, *IMAGE, *AUDIO))),
            "features",
        ),
        Task("fill-mask", "AutoModelForMaskedLM"),
        Task("text-classification", "AutoModelForSequenceClassification", has_labels=True),
        Task("token-classification", "AutoModelForTokenClassification", has_labels=True),
        Task("question-answering", "AutoModelForQuestionAnswering", ("start_logits", "end_logits")),
        Task("text2text-generation", "AutoModelForSeq2SeqLM", inputs=SEQ2SEQ),
        Task("image-classification", "AutoModelForImageClassification", inputs=IMAGE, has_labels=True),
        Task("semantic-segmentation", "AutoModelForSemanticSegmentation", inputs=IMAGE),
        Task("object-detection", "AutoModelForObjectDetection", ("logits", "pred_boxes"), IMAGE, "detections"),
        Task("depth-estimation", "AutoModelForDepthEstimation", ("predicted_depth",), IMAGE, "values"),
        Task("automatic-speech-recognition", "AutoModelForCTC", inputs=(*AUDIO, SEQ2SEQ[-1])),
        Task("audio-classification", "AutoModelForAudioClassification", inputs=AUDIO, has_labels=True),
        Task(
            "zero-shot-image-classification",
            "AutoModelForZeroShotImageClassification",
            ("logits_per_image", "logits_per_text"),
            (*TEXT, *IMAGE),
        ),
    )
}


NAME_A_TASK = f"give --task, one of {', '.join(TASKS)}"
"""What to do where a task is not known."""


def task_named(name: str) -> Task:
    """The task called `name`, or by one of optimum's synonyms for it.

    Raises:
        InputError: there is no such task; the message suggests near names and lists all.
    """
    from optimum.exporters.tasks import TasksManager

    task = TASKS.get(TasksManager.map_from_synonym(name))
    if task is None:
        near = difflib.get_close_matches(name, TASKS, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(f"unknown task '{name}'", f"{hint}the tasks are {', '.join(TASKS)}")
    return task


def task_of_class(model_class: type) -> Task | None:
    """The task that `model_class` was made for: optimum's registry first, then transformers' auto classes."""
    from optimum.exporters.tasks import TasksManager

    try:
        named = TasksManager.map_from_synonym(TasksManager.infer_task_from_model(model_class))
    except ValueError:
        named = ""
    listed = (task for task in TASKS.values() if model_class.__name__ in _class_names(task))
    return TASKS.get(named) or next(listed, None)


def task_of_auto_classes(auto_classes: Iterable[str]) -> Task | None:
    """The most telling task among `auto_classes`, the keys of a config's `auto_map`."""
    found = [task for task in TASKS.values() if task.auto_class in set(auto_classes)]
    return min(found, key=lambda task: task.auto_class == "AutoModel", default=None)


def _class_names(task: Task) -> set[str]:
    import transformers

    names: set[str] = set()
    for value in getattr(transformers, task.auto_class)._model_mapping._model_mapping.values():
        names.update([value] if isinstance(value, str) else value)
    return names
