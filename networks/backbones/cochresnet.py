"""CochResNet: residual networks on cochleagrams (He et al. 2016; CochResNet50 of Tuckute, Feather et al. 2023)."""

from collections.abc import Sequence

from torch import Tensor, nn

from networks.backbones.backbone import Backbone

# He et al. 2016, table 1: blocks in each of the four layers, and channels inside the blocks of each.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
CHANNELS = (64, 128, 256, 512)
SMALLEST_DEPTH_OF_BOTTLENECKS = 50  # shallower networks have two 3 x 3 convolutions per block


class BasicBlock(nn.Module):
    """`relu(x + bn2(conv2(relu(bn1(conv1(x))))))`: two 3 x 3 convolutions, the first with the stride.

    Args:
        in_channels: Channels of the input.
        channels: Channels inside the block and of the output.
        stride: Stride of the first convolution on both axes.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, N) -> (B, channels, F / stride, N / stride)."""
        branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(branch.add_(self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """`relu(x + bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))))`: 1 x 1, 3 x 3 with the stride, 1 x 1.

    Args:
        in_channels: Channels of the input.
        channels: Channels inside the block. The output has four times as many.
        stride: Stride of the 3 x 3 convolution on both axes.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, N) -> (B, 4 * channels, F / stride, N / stride)."""
        inside = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        out: Tensor = self.relu(self.bn3(self.conv3(inside)).add_(self.downsample(x)))
        return out


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Make the shortcut of a block: identity, or a 1 x 1 convolution and batch norm if channels or size change."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class CochResNet(Backbone):
    """Residual network with one input channel and the layer names of torchvision, as in the published weights.

    `conv1 (7 x 7, stride 2) - bn1 - conv1_relu1 - maxpool1 (3 x 3, stride 2) - layer1 - layer2 - layer3 - layer4 -
    avgpool`, with convolutions without bias and an average over bands and frames at the end. Convolutions are
    initialised with Kaiming normal weights (fan out), batch norms with weight 1 and bias 0.

    Args:
        depth: 18 or 34 (basic blocks), 50 or 101 (bottlenecks).
        width: Factor on the numbers of channels (64, 128, 256, 512 inside the blocks), rounded.

    Raises:
        ValueError: If the depth is another one, or the width leaves a layer without channels.
    """

    stages = ("conv1_relu1", "maxpool1", "layer1", "layer2", "layer3", "layer4", "avgpool")
    published_head = "fc"

    def __init__(self, *, depth: int = 50, width: float = 1.0) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"expected a depth of {', '.join(map(str, BLOCKS))}, got {depth}")
        channels = [round(width * published) for published in CHANNELS]
        if min(channels) < 1:
            raise ValueError(f"expected a width that leaves every layer at least one channel, got {width}")
        block = Bottleneck if depth >= SMALLEST_DEPTH_OF_BOTTLENECKS else BasicBlock
        self.conv1 = nn.Conv2d(1, channels[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.conv1_relu1 = nn.ReLU(inplace=True)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, padding=1)
        layers = _layers(block, channels, BLOCKS[depth])
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, cochleagram: Tensor) -> Tensor:
        """(B, F, N) or (B, 1, F, N) cochleagrams -> (B, channels of the last layer)."""
        x = cochleagram if cochleagram.ndim == 4 else cochleagram[:, None]
        x = self.maxpool1(self.conv1_relu1(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        features: Tensor = self.avgpool(x)
        return features.flatten(1)


class CochResNet50(CochResNet):
    """The published CochResNet50, 50 layers deep.

    Args:
        width: Factor on the published numbers of channels, see `CochResNet`.

    Raises:
        ValueError: If the width leaves a layer without channels.
    """

    def __init__(self, *, width: float = 1.0) -> None:
        super().__init__(depth=50, width=width)


def _layers(
    block: type[BasicBlock] | type[Bottleneck], channels: Sequence[int], num_blocks: Sequence[int]
) -> list[nn.Sequential]:
    """Make the four layers. All but the first halve both axes in their first block."""
    layers = []
    in_channels = channels[0]
    for layer, (inside, num) in enumerate(zip(channels, num_blocks, strict=True)):
        blocks = []
        for position in range(num):
            blocks.append(block(in_channels, inside, stride=2 if layer > 0 and position == 0 else 1))
            in_channels = block.expansion * inside
        layers.append(nn.Sequential(*blocks))
    return layers
