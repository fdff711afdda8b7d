"""Tasks by name, by synonym and by model class."""

from __future__ import annotations

import pytest
import transformers
from optimum.exporters.tasks import TasksManager

from prunec.errors import InputError
from prunec.frontends.tasks import TASKS, task_named, task_of_auto_classes, task_of_class


def test_every_task_is_one_of_optimums() -> None:
    assert set(TASKS) <= set(TasksManager.get_all_tasks())


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_auto_class_exists(task: object) -> None:
    assert isinstance(getattr(transformers, task.auto_class), type)  # type: ignore[attr-defined]


def test_a_synonym() -> None:
    assert task_named("causal-lm") is TASKS["text-generation"]


def test_an_unknown_task_suggests_near_ones_and_lists_all() -> None:
    with pytest.raises(InputError, match=r"unknown task 'text-generatoin'.*did you mean text-generation.*fill-mask"):
        task_named("text-generatoin")


@pytest.mark.parametrize(
    ("model_class", "task"),
    [
        ("LlamaForCausalLM", "text-generation"),
        ("GPT2LMHeadModel", "text-generation"),
        ("BertModel", "feature-extraction"),
        ("RobertaForMaskedLM", "fill-mask"),
        ("BertForSequenceClassification", "text-classification"),
        ("DistilBertForTokenClassification", "token-classification"),
        ("BertForQuestionAnswering", "question-answering"),
        ("T5ForConditionalGeneration", "text2text-generation"),
        ("ViTForImageClassification", "image-classification"),
        ("SegformerForSemanticSegmentation", "semantic-segmentation"),
        ("WhisperForConditionalGeneration", "automatic-speech-recognition"),
        ("Wav2Vec2ForCTC", "automatic-speech-recognition"),
    ],
)
def test_the_task_of_a_class(model_class: str, task: str) -> None:
    assert task_of_class(getattr(transformers, model_class)) is TASKS[task]


def test_a_class_without_a_task() -> None:
    assert task_of_class(transformers.BertForNextSentencePrediction) is None


def test_an_auto_map_tells_more_than_the_base_model() -> None:
    assert task_of_auto_classes(["AutoConfig", "AutoModel", "AutoModelForCausalLM"]) is TASKS["text-generation"]
    assert task_of_auto_classes(["AutoConfig", "AutoModel"]) is TASKS["feature-extraction"]
    assert task_of_auto_classes(["AutoConfig"]) is None


@pytest.mark.parametrize(
    ("task", "config", "objective"),
    [
        ("text-classification", {"id2label": {0: "no", 1: "yes"}}, "logits"),
        ("text-classification", {"id2label": {0: "LABEL_0"}}, "values"),
        ("image-classification", {"id2label": {0: "a", 1: "b"}, "problem_type": "regression"}, "values"),
        ("audio-classification", {"id2label": {0: "a"}, "problem_type": "multi_label_classification"}, "label-sets"),
        ("text-classification", {}, "logits"),
        ("fill-mask", {"id2label": {0: "LABEL_0"}}, "logits"),
        ("depth-estimation", {}, "values"),
        ("object-detection", {"id2label": {0: "cat"}}, "detections"),
    ],
)
def test_what_labels_stand_for_decides_how_damage_is_measured(
    task: str, config: dict[str, object], objective: str
) -> None:
    assert TASKS[task].objective_of(config) == objective
