"""The precision `auto`: by the processor for one machine, and the same on all of many."""

import copy
from contextlib import ExitStack
from functools import partial

import pytest
import torch
from transformers import AlbertConfig, AutoModel, BertConfig, MPNetConfig

from helpers.corpora import extract, write_corpus
from helpers.output_folders import read_manifest
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference import precision
from pfn_kg.pfn.model import modeling, process_settings
from pfn_kg.pfn.model.encoder_precision import lower_precision, products_dtype
from pfn_kg.pfn.model.packed_linear import pack_linears
from pfn_kg.pfn.model.process_settings import ProcessSetting, attention_of_any_shape
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.prepare_extraction import prepare_extraction
from pfn_kg.pipeline.reading_defaults import with_reading_defaults
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.extraction.inference import PFNModelHandler

HAS_BF16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@pytest.fixture
def asked_anew():
    precision.multiplies_bf16.cache_clear()
    yield
    precision.multiplies_bf16.cache_clear()


@pytest.fixture(params=[False, True], ids=["fp32", "bf16"])
def processor(request, monkeypatch):
    monkeypatch.setattr(precision, "multiplies_bf16", lambda: request.param)
    return "bf16" if request.param else "fp32"


@pytest.mark.parametrize("most", ["AVX512_CORE", "avx2", "DEFAULT", None])
def test_the_processor_is_asked(monkeypatch, asked_anew, most):
    if most is None:
        monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    else:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert precision.multiplies_bf16() == (HAS_BF16 and most in ("DEFAULT", None))


def test_a_gpu_gets_more_at_once():
    def read(device, is_local=True, recorded=None, **options):
        given = ExtractOptions(corpus=["a"], output="b", device=device, **options)
        config = {"window_tokens": 256, "encoder": {"max_position_embeddings": 512}}
        found = with_reading_defaults(
            given, config=config, recorded=recorded or {}, is_local=is_local
        )
        return found.token_budget, found.chunk_documents, found.precision

    # Windows of sentences want to be read some at a time.
    assert read("cpu") == (2048, 500, "auto")
    assert read("cpu", window_tokens=0) == (1024, 500, "auto")
    assert read("cuda:1") == (65536, 2000, "auto")
    assert read("cuda", is_local=False) == (65536, 2000, "auto")
    # Who goes on reads as the run began.
    began = {"token_budget": 99, "chunk_documents": 500, "precision": "bf16"}
    assert read("cuda", recorded=began) == (99, 500, "bf16")
    assert read("cuda", chunk_documents=7, precision="bf16") == (65536, 7, "bf16")


def test_tf32_is_as_before_afterwards():
    before = torch.get_float32_matmul_precision()
    for allowed, inside in ((False, before), (True, "high")):
        with precision.tf32_products(allowed):
            assert torch.get_float32_matmul_precision() == inside
        assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("order", ["in and out", "one after the other"])
def test_a_setting_that_several_hold_is_as_before_afterwards(order):
    """Of two models that read side by side, the first to begin may be the first to end."""
    value, before, after = ["before"], ExitStack(), ExitStack()
    setting = ProcessSetting(lambda: value[0], lambda new: value.__setitem__(0, new), "held")
    before.enter_context(setting.held())
    after.enter_context(setting.held())
    assert value == ["held"]
    first, second = (before, after) if order == "one after the other" else (after, before)
    first.close()
    assert value == ["held"]
    second.close()
    assert value == ["before"]
    with pytest.raises(KeyError), setting.held():
        raise KeyError
    assert value == ["before"]


def test_attention_takes_no_plan_for_each_shape(monkeypatch, tiny_extractor):
    """While a text encoder reads on a GPU, cuDNN's attention is off; on a CPU nothing changes."""
    enabled, seen = torch.backends.cuda.cudnn_sdp_enabled, []
    before = enabled()
    with attention_of_any_shape(torch.device("cuda")):
        assert not enabled()
    with attention_of_any_shape(torch.device("cpu")):
        assert enabled() == before
    assert enabled() == before

    forward, batches = tiny_extractor.model.encoder.forward, ["Anna Bell was born ."]

    def watched(*args, **kwargs):
        seen.append(enabled())
        return forward(*args, **kwargs)

    monkeypatch.setattr(tiny_extractor.model.encoder, "forward", watched)
    on_a_gpu = partial(attention_of_any_shape, torch.device("cuda"))
    monkeypatch.setattr(process_settings, "attention_of_any_shape", lambda device: on_a_gpu())
    # As on a GPU, where the encoder is called as it is.
    monkeypatch.setattr(modeling, "reads_rows", lambda encoder: False)
    tiny_extractor.predict_heads(batches)
    assert seen == [False]
    # A backward pass that computes attention once more does so with what is enabled then.
    model = tiny_extractor.model
    batch = tiny_extractor.inputs.collate(tiny_extractor.inputs.encode(batches)[0])
    for module in (model.encoder, model):
        monkeypatch.setattr(module, "training", True)
    model(**batch)
    monkeypatch.setattr(model.encoder.encoder, "gradient_checkpointing", True, raising=False)
    model(**batch)
    assert seen == [False, False, before]
    assert enabled() == before


def test_tf32_is_asked_for(tiny_model, monkeypatch):
    options = ExtractOptions(corpus=["a"], output="b")
    # Chunks that were read without it keep their names.
    assert "tf32" not in options.what_extractions_depend_on()
    assert options.changed(tf32=True).what_extractions_depend_on()["tf32"] is True
    for tf32 in (False, True):
        floors = {"entity_floor": 0.1, "relation_floor": 0.1, "token_budget": None}
        handler = PFNModelHandler(
            str(tiny_model), device="cpu", precision="fp32", tf32=tf32, **floors
        )
        assert handler.load_model()._tf32 is tf32


@pytest.mark.parametrize("began", [False, True])
def test_a_run_goes_on_as_it_began(tmp_path, tiny_model, capsys, began):
    corpus = write_corpus(tmp_path / "a.parquet")
    flag = {False: [], True: ["--tf32"]}
    device = ["--device", "cpu"]
    assert extract(corpus, tmp_path / "out", tiny_model, *device, *flag[began]) == 0
    recorded = read_manifest(tmp_path / "out")["configuration"]
    assert recorded.get("tf32", False) is began
    again = ["extract", str(corpus), "--model", str(tiny_model), *device, "--resume"]
    again += ["--output", str(tmp_path / "out")]
    assert main([*again, *flag[not began]]) == 2
    assert f"--tf32: {not began}, but the run in" in capsys.readouterr().err
    assert main([*again, *flag[began]]) == 0


def test_by_device(processor):
    assert precision.default_precision("cpu") == processor
    assert precision.default_precision("cuda") == "fp16"
    assert precision.common_precision("cpu") == "fp32"


def test_an_extractor_takes_what_its_machine_has(tiny_model, processor):
    model = Extractor.from_pretrained(tiny_model, device="cpu").model
    expected = {"fp32": torch.float32, "bf16": torch.bfloat16}[processor]
    assert products_dtype(model.encoder) == expected
    assert {p.dtype for p in model.ner.parameters()} == {torch.float32}


def test_workers_take_the_same(tiny_model, processor):
    floors = {"entity_floor": 0.1, "relation_floor": 0.1, "token_budget": None}
    handler = PFNModelHandler(str(tiny_model), device="cpu", precision="auto", **floors)
    assert products_dtype(handler.load_model().model.encoder) == torch.float32


@pytest.mark.parametrize("config", [BertConfig, AlbertConfig, MPNetConfig])
def test_bf16_is_near_single_precision(config):
    """Of a BERT, the products alone are rounded; that is nearer than all of it."""
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    encoder = AutoModel.from_config(config(num_hidden_layers=4, vocab_size=90, **small)).eval()
    ids = torch.randint(3, 90, (4, 20))
    is_bert = config is BertConfig

    def read(changed):
        pack_linears(changed)
        with torch.no_grad():
            return changed(ids).last_hidden_state.float()

    ours, all_of_it = copy.deepcopy(encoder), copy.deepcopy(encoder).to(torch.bfloat16)
    lower_precision(ours, torch.bfloat16, torch.device("cpu"))
    assert products_dtype(ours) == torch.bfloat16
    assert (ours.dtype == torch.float32) == is_bert
    exact, rounded, all_rounded = map(read, (encoder, ours, all_of_it))
    assert 0 < (rounded - exact).abs().mean() < 0.02
    if is_bert:
        assert (rounded - exact).abs().mean() < 0.8 * (all_rounded - exact).abs().mean()
    else:
        assert rounded.equal(all_rounded)
    lower_precision(encoder, torch.bfloat16, torch.device("cuda"))
    assert {p.dtype for p in encoder.parameters()} == {torch.bfloat16}


def test_who_goes_on_reads_at_the_same(tmp_path, tiny_model, monkeypatch, capsys):
    corpus = write_corpus(tmp_path / "a.parquet")

    def plan(output, *beam, **options):
        given = {"corpus": [str(corpus)], "output": str(output), "model": str(tiny_model)}
        return prepare_extraction(ExtractOptions(**given, device="cpu", **options), beam)

    def by(which):
        monkeypatch.setattr(precision, "multiplies_bf16", lambda: which)

    by(True)
    assert extract(corpus, tmp_path / "out", tiny_model, "--device", "cpu") == 0
    assert read_manifest(tmp_path / "out")["configuration"]["precision"] == "bf16"
    by(False)
    assert plan(tmp_path / "new").options.precision == "auto"
    # Another machine goes on as the first one began.
    for how in ({"resume": True}, {"into": True}):
        assert plan(tmp_path / "out", **how).options.precision == "bf16"
    names = {run.chunk_name(0) for run in plan(tmp_path / "new").plan.runs}
    by(True)
    assert plan(tmp_path / "new").options.precision == "bf16"
    assert names.isdisjoint(run.chunk_name(0) for run in plan(tmp_path / "new").plan.runs)
    # Of other machines' processors nothing is known.
    assert plan(tmp_path / "new", "--runner=FlinkRunner").options.precision == "auto"
    again = ["extract", str(corpus), "--model", str(tiny_model), "--device", "cpu", "--resume"]
    assert main([*again, "--output", str(tmp_path / "out"), "--precision", "fp32"]) == 2
    assert "--precision: 'fp32', but the run in" in capsys.readouterr().err
