"""The architectures of the export fixtures: how to build each one and what to feed it.

Small members of each kind, with random weights, built without a download. Nothing here knows about
ONNX; `make_exports.py` does. Names are unique, because a fixture's file is called after its entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Entry:
    """One architecture: `build` makes the module, `inputs` its example tensors."""

    name: str
    kind: str
    package: str
    model: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Tensor, ...]]
    config: dict[str, Any] = field(default_factory=dict)
    # Axes besides the batch that the `dynamic` route may leave open, for each input.
    free_axes: tuple[dict[int, str], ...] = ()


def catalogue() -> list[Entry]:
    """All entries, interleaved by kind so that a run cut short still covers every kind."""
    by_kind = [
        convolutional(),
        vision_transformers(),
        language(),
        hierarchical(),
        recurrent(),
        dense_prediction(),
        perceptrons(),
    ]
    rounds = max(len(entries) for entries in by_kind)
    return [entries[i] for i in range(rounds) for entries in by_kind if i < len(entries)]


# Inputs


def image(size: int, channels: int = 3) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.rand(1, channels, size, size),)


def tokens(length: int = 16, vocabulary: int = 100) -> Tensor:
    return torch.randint(5, vocabulary, (1, length))


def text() -> tuple[Tensor, ...]:
    ids = tokens()
    return ids, torch.ones_like(ids)


def text_pair() -> tuple[Tensor, ...]:
    ids = tokens()
    return ids, torch.ones_like(ids), tokens(length=12)


SQUARE = ({2: "height", 3: "width"},)
LENGTH = {1: "length"}


# Packages


def torchvision_entry(name: str, kind: str, size: int = 224, **config: Any) -> Entry:
    def build() -> nn.Module:
        from torchvision.models import get_model

        return get_model(name, weights=None, **config)

    return Entry(name, kind, "torchvision", name, build, image(size), config, SQUARE)


def timm_entry(name: str, kind: str, size: int = 224, **config: Any) -> Entry:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, **config)

    return Entry(name, kind, "timm", name, build, image(size), config, SQUARE)


def transformers_entry(
    name: str,
    kind: str,
    model: str,
    config_class: str,
    output: str = "logits",
    inputs: Callable[[], tuple[Tensor, ...]] = text,
    arguments: tuple[str, ...] = ("input_ids", "attention_mask"),
    free_axes: tuple[dict[int, str], ...] = (LENGTH, LENGTH, {1: "target_length"}),
    **config: Any,
) -> Entry:
    def build() -> nn.Module:
        import transformers

        settings = getattr(transformers, config_class)(**config)
        return ByName(getattr(transformers, model)(settings), arguments, output)

    shown = {"config_class": config_class, **{k: v for k, v in config.items() if plain(v)}}
    return Entry(name, kind, "transformers", model, build, inputs, shown, free_axes)


def plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str, list, tuple, dict, type(None)))


class ByName(nn.Module):
    """Calls a transformers model by argument names and picks one tensor of its answer."""

    def __init__(self, model: nn.Module, arguments: tuple[str, ...], output: str) -> None:
        super().__init__()
        self.model = model
        self.arguments = arguments
        self.output = output

    def forward(self, *inputs: Tensor) -> Tensor:
        answer = self.model(**dict(zip(self.arguments, inputs)))
        return getattr(answer, self.output)


# Kinds


def convolutional() -> list[Entry]:
    kind = "convolutional"
    return [
        torchvision_entry("resnet18", kind),
        torchvision_entry("squeezenet1_1", kind),
        torchvision_entry("mobilenet_v3_small", kind),
        torchvision_entry("vgg11_bn", kind),
        torchvision_entry("densenet121", kind),
        torchvision_entry("googlenet", kind, aux_logits=False, init_weights=False),
        torchvision_entry("shufflenet_v2_x1_0", kind),
        torchvision_entry("mobilenet_v2", kind),
        torchvision_entry("efficientnet_b0", kind),
        timm_entry("tf_efficientnet_b0", kind),
        timm_entry("convnext_atto", kind),
        torchvision_entry("convnext_tiny", kind),
        torchvision_entry("regnet_x_400mf", kind),
        torchvision_entry("regnet_y_400mf", kind),
        torchvision_entry("resnext50_32x4d", kind),
        timm_entry("res2net50_14w_8s", kind),
        timm_entry("seresnet18", kind),
        timm_entry("dla34", kind),
        timm_entry("ese_vovnet19b_dw", kind),
        timm_entry("hrnet_w18_small", kind),
        timm_entry("eca_nfnet_l0", kind),
        timm_entry("repvgg_a0", kind),
        timm_entry("dpn68", kind),
        timm_entry("legacy_xception", kind, 299),
        timm_entry("cspresnet50", kind),
        timm_entry("cspdarknet53", kind),
        timm_entry("cs3darknet_focus_s", kind),
        torchvision_entry("efficientnet_v2_s", kind),
        timm_entry("ghostnet_100", kind),
        timm_entry("mobilenetv4_conv_small", kind),
        torchvision_entry("mnasnet0_5", kind),
        timm_entry("mixnet_s", kind),
        timm_entry("lcnet_050", kind),
        timm_entry("fbnetc_100", kind),
        timm_entry("rexnet_100", kind),
        torchvision_entry("inception_v3", kind, 299, init_weights=False),
        torchvision_entry("alexnet", kind),
        torchvision_entry("vgg11", kind),
        torchvision_entry("resnet50", kind),
        timm_entry("repvit_m0_9", kind),
        timm_entry("starnet_s1", kind),
    ]


def vision_transformers() -> list[Entry]:
    kind = "vision transformer"
    return [
        timm_entry("vit_tiny_patch16_224", kind),
        timm_entry("deit_tiny_distilled_patch16_224", kind),
        timm_entry("beit_base_patch16_224", kind, depth=6, embed_dim=192, num_heads=3),
        timm_entry("eva02_tiny_patch14_224", kind),
        timm_entry("cait_xxs24_224", kind, depth=8),
        timm_entry("xcit_nano_12_p16_224", kind),
        timm_entry("pit_ti_224", kind),
        torchvision_vit(),
        timm_entry("mobilevit_xxs", kind, 256),
        timm_entry("edgenext_xx_small", kind),
        timm_entry("convit_tiny", kind),
        timm_entry("crossvit_9_240", kind, 240),
        timm_entry("tnt_s_patch16_224", kind, depth=4),
        clip_vision(),
    ]


def hierarchical() -> list[Entry]:
    kind = "hierarchical transformer"
    return [
        timm_entry("swin_tiny_patch4_window7_224", kind),
        timm_entry("pvt_v2_b0", kind),
        timm_entry("poolformer_s12", kind),
        timm_entry("levit_128s", kind),
        timm_entry("twins_svt_small", kind, depths=(1, 1, 4, 2)),
        timm_entry("coatnet_nano_rw_224", kind),
        timm_entry("maxvit_pico_rw_256", kind, 256),
        timm_entry("mvitv2_tiny", kind),
        timm_entry("focalnet_tiny_srf", kind),
        timm_entry("efficientformer_l1", kind),
        timm_entry("coat_lite_tiny", kind),
        timm_entry("nextvit_small", kind),
        timm_entry("swinv2_cr_tiny_ns_224", kind),
        torchvision_entry("swin_v2_t", kind, 256),
        timm_entry("efficientvit_b0", kind),
        timm_entry("gcvit_xxtiny", kind),
    ]


def perceptrons() -> list[Entry]:
    kind = "perceptron"
    return [
        timm_entry("mixer_s32_224", kind),
        timm_entry("resmlp_12_224", kind),
        timm_entry("gmlp_ti16_224", kind),
    ]


def language() -> list[Entry]:
    """Small language models; depth and width change neither the operators nor their order."""
    width = {"vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    encoder = {**width, "intermediate_size": 128}
    decoder = {**encoder, "use_cache": False, "max_position_embeddings": 64}
    encoders, decoders, pairs = "language encoder", "language decoder", "encoder-decoder"
    return [
        transformers_entry("bert", encoders, "BertModel", "BertConfig", "pooler_output", **encoder),
        transformers_entry("gpt2", decoders, "GPT2LMHeadModel", "GPT2Config",
                           vocab_size=200, n_embd=64, n_layer=3, n_head=4, n_positions=64, use_cache=False),
        transformers_entry("llama", decoders, "LlamaForCausalLM", "LlamaConfig",
                           num_key_value_heads=2, **decoder),
        transformers_entry("t5", pairs, "T5ForConditionalGeneration", "T5Config", "logits", text_pair,
                           ("input_ids", "attention_mask", "decoder_input_ids"), vocab_size=200,
                           d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, use_cache=False),
        torch_transformer(),
        transformers_entry("distilbert", encoders, "DistilBertForSequenceClassification", "DistilBertConfig",
                           vocab_size=200, dim=64, n_layers=3, n_heads=4, hidden_dim=128),
        transformers_entry("roberta", encoders, "RobertaForMaskedLM", "RobertaConfig", **encoder),
        transformers_entry("albert", encoders, "AlbertModel", "AlbertConfig", "pooler_output",
                           embedding_size=32, **encoder),
        transformers_entry("electra", encoders, "ElectraForPreTraining", "ElectraConfig",
                           embedding_size=32, **encoder),
        transformers_entry("deberta_v2", encoders, "DebertaV2Model", "DebertaV2Config", "last_hidden_state",
                           relative_attention=True, position_buckets=16, pos_att_type=["p2c", "c2p"],
                           max_position_embeddings=64, **encoder),
        transformers_entry("qwen2", decoders, "Qwen2ForCausalLM", "Qwen2Config",
                           num_key_value_heads=2, **decoder),
        transformers_entry("mistral", decoders, "MistralForCausalLM", "MistralConfig",
                           num_key_value_heads=2, sliding_window=None, **decoder),
        transformers_entry("gpt_neox", decoders, "GPTNeoXForCausalLM", "GPTNeoXConfig", **decoder),
        transformers_entry("opt", decoders, "OPTForCausalLM", "OPTConfig", vocab_size=200, hidden_size=64,
                           num_hidden_layers=3, num_attention_heads=4, ffn_dim=128, word_embed_proj_dim=64,
                           max_position_embeddings=64, use_cache=False),
        transformers_entry("bloom", decoders, "BloomForCausalLM", "BloomConfig",
                           vocab_size=200, hidden_size=64, n_layer=3, n_head=4, use_cache=False),
        transformers_entry("bart", pairs, "BartModel", "BartConfig", "last_hidden_state", text_pair,
                           ("input_ids", "attention_mask", "decoder_input_ids"), vocab_size=200, d_model=64,
                           encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                           decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
                           max_position_embeddings=64, use_cache=False),
        whisper(),
    ]


def recurrent() -> list[Entry]:
    kind = "recurrent"
    words = lambda: (tokens(length=20),)
    return [
        Entry("lstm_classifier", kind, "torch", "nn.LSTM", lambda: Recurrent(nn.LSTM, layers=2),
              words, {"layers": 2}, (LENGTH,)),
        Entry("gru_classifier", kind, "torch", "nn.GRU", lambda: Recurrent(nn.GRU, layers=1),
              words, {"layers": 1}, (LENGTH,)),
        Entry("bilstm_tagger", kind, "torch", "nn.LSTM", lambda: Tagger(), words,
              {"layers": 2, "bidirectional": True}, (LENGTH,)),
        Entry("crnn", kind, "torch", "CNN + nn.LSTM + CTC head", lambda: ConvolutionalRecurrent(),
              lambda: (torch.rand(1, 1, 32, 128),), {}, ({3: "width"},)),
        Entry("elman_rnn", kind, "torch", "nn.RNN", lambda: Recurrent(nn.RNN, layers=1),
              words, {"layers": 1}, (LENGTH,)),
    ]


def dense_prediction() -> list[Entry]:
    segmentation, detection = "segmentation", "detection"
    no_backbone = {"weights_backbone": None}
    return [
        Entry("unet", segmentation, "torch", "U-Net", lambda: UNet(), image(128), {}, SQUARE),
        wrapped("deeplabv3_mobilenet_v3_large", segmentation, SegmentationOnly, 224, no_backbone),
        wrapped("ssdlite320_mobilenet_v3_large", detection, DetectorWithoutBoxes, 320, no_backbone),
        wrapped("lraspp_mobilenet_v3_large", segmentation, SegmentationOnly, 224, no_backbone),
        wrapped("retinanet_resnet50_fpn", detection, DetectorWithoutBoxes, 256, no_backbone),
        transformers_entry("segformer", segmentation, "SegformerForSemanticSegmentation", "SegformerConfig",
                           "logits", image(128), ("pixel_values",), SQUARE, depths=[1, 1, 1, 1],
                           hidden_sizes=[16, 32, 64, 96], decoder_hidden_size=64, num_labels=21),
        transformers_entry("yolos", detection, "YolosForObjectDetection", "YolosConfig", "logits", image(128),
                           ("pixel_values",), ({},), hidden_size=64, num_hidden_layers=3,
                           num_attention_heads=4, intermediate_size=128, image_size=[128, 128],
                           patch_size=16, num_detection_tokens=20),
        wrapped("fcn_resnet50", segmentation, SegmentationOnly, 224, no_backbone),
        detr(),
        wrapped("fasterrcnn_mobilenet_v3_large_320_fpn", detection, ProposalsOnly, 320, no_backbone),
    ]


# Entries that need more than a name


def torchvision_vit() -> Entry:
    config = {"image_size": 224, "patch_size": 16, "num_layers": 6, "num_heads": 3,
              "hidden_dim": 192, "mlp_dim": 768}

    def build() -> nn.Module:
        from torchvision.models import VisionTransformer

        return VisionTransformer(**config)

    return Entry("torchvision_vit", "vision transformer", "torchvision", "VisionTransformer", build,
                 image(224), config)


def clip_vision() -> Entry:
    return transformers_entry(
        "clip_vision", "vision transformer", "CLIPVisionModelWithProjection", "CLIPVisionConfig",
        "image_embeds", image(64), ("pixel_values",), ({},), hidden_size=64, intermediate_size=128,
        num_hidden_layers=3, num_attention_heads=4, image_size=64, patch_size=16, projection_dim=32)


def whisper() -> Entry:
    return transformers_entry(
        "whisper", "encoder-decoder", "WhisperModel", "WhisperConfig", "last_hidden_state",
        # Without a mask, transformers looks for packed sequences with an operator TorchScript lacks.
        lambda: (torch.rand(1, 16, 64), tokens(length=12), torch.ones(1, 12, dtype=torch.long)),
        ("input_features", "decoder_input_ids", "decoder_attention_mask"), ({}, LENGTH, LENGTH), vocab_size=200, num_mel_bins=16, d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
        max_source_positions=32, max_target_positions=32, use_cache=False, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3)


def torch_transformer() -> Entry:
    config = {"d_model": 64, "nhead": 4, "num_encoder_layers": 2, "num_decoder_layers": 2,
              "dim_feedforward": 128, "batch_first": True}
    inputs = lambda: (torch.rand(1, 16, 64), torch.rand(1, 12, 64))
    return Entry("torch_transformer", "encoder-decoder", "torch", "nn.Transformer",
                 lambda: nn.Transformer(**config), inputs, config, (LENGTH, {1: "target_length"}))


def detr() -> Entry:
    def build() -> nn.Module:
        import transformers

        backbone = transformers.ResNetConfig(
            embedding_size=16, hidden_sizes=[16, 32, 64, 128], depths=[1, 1, 1, 1], layer_type="basic",
            out_features=["stage4"])
        config = transformers.DetrConfig(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
            d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, num_queries=20)
        model = transformers.DetrForObjectDetection(config)
        return ByName(model, ("pixel_values", "pixel_mask"), "logits")

    inputs = lambda: (torch.rand(1, 3, 128, 128), torch.ones(1, 128, 128, dtype=torch.long))
    config = {"backbone": "ResNet, basic blocks", "d_model": 64, "layers": 2}
    return Entry("detr", "detection", "transformers", "DetrForObjectDetection", build, inputs, config)


def wrapped(name: str, kind: str, wrapper: type[nn.Module], size: int, config: dict[str, Any]) -> Entry:
    """A torchvision model without its pre- and post-processing, which no exporter handles alike."""

    def build() -> nn.Module:
        from torchvision.models import get_model

        return wrapper(get_model(name, weights=None, **config))

    return Entry(name, kind, "torchvision", name, build, image(size), config, SQUARE)


class SegmentationOnly(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels)["out"]


class DetectorWithoutBoxes(nn.Module):
    """Backbone, pyramid and heads of a one-stage detector."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.head

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = list(self.backbone(pixels).values())
        return tuple(self.head(features).values())


class ProposalsOnly(nn.Module):
    """Backbone, pyramid and region-proposal head of a two-stage detector."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.rpn.head

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        objectness, deltas = self.head(list(self.backbone(pixels).values()))
        return (*objectness, *deltas)


# Networks written here


class Recurrent(nn.Module):
    """Embedding, recurrent layers, the last state, a classifier."""

    def __init__(self, cell: type[nn.RNNBase], layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 48)
        self.cell = cell(48, 64, num_layers=layers, batch_first=True)
        self.classifier = nn.Linear(64, 10)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.cell(self.embedding(ids))
        return self.classifier(states[:, -1])


class Tagger(nn.Module):
    """Embedding, two bidirectional LSTM layers, a label for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 48)
        self.cell = nn.LSTM(48, 64, num_layers=2, bidirectional=True, batch_first=True)
        self.labels = nn.Linear(128, 9)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.cell(self.embedding(ids))
        return self.labels(states)


class ConvolutionalRecurrent(nn.Module):
    """CRNN (Shi, Bai and Yao 2015): convolutions squeeze the height, LSTMs read the width."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.MaxPool2d((2, 1)),
            nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.MaxPool2d((4, 1)))
        self.cell = nn.LSTM(128, 96, num_layers=2, bidirectional=True)
        self.characters = nn.Linear(192, 37)

    def forward(self, pixels: Tensor) -> Tensor:
        columns = self.features(pixels).squeeze(2).permute(2, 0, 1)  # [width, batch, channels]
        states, _ = self.cell(columns)
        return self.characters(states).log_softmax(-1)


class UNet(nn.Module):
    """U-Net (Ronneberger, Fischer and Brox 2015) with batch normalisation and four levels."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.down = nn.ModuleList(
            double_convolution(a, b) for a, b in zip((3, *widths[:-1]), widths))
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(widths[::-1], widths[-2::-1]))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(double_convolution(a, b) for a, b in pairs)
        self.classes = nn.Conv2d(widths[0], 2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        skips = []
        for level in self.down[:-1]:
            pixels = level(pixels)
            skips.append(pixels)
            pixels = self.pool(pixels)
        pixels = self.down[-1](pixels)
        for enlarge, level in zip(self.enlarge, self.up):
            pixels = level(torch.cat([skips.pop(), enlarge(pixels)], dim=1))
        return self.classes(pixels)


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
