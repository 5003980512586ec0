"""CochCNN9: nine-stage convolutional network on cochleagrams (after Kell et al. 2018; Tuckute, Feather et al. 2023)."""

from torch import Tensor, nn

from networks.backbones.backbone import Backbone
from networks.backbones.initialization import Initialization, initialize
from networks.backbones.same_padding import SameAvgPool2d, SameConv2d, SameMaxPool2d

# Weight and bias of the first batch norm of multi-task networks, taken from a trained word network. They make training
# with AudioSet stable (Tuckute, Feather et al. 2023).
MULTITASK_BATCHNORM0 = (0.6180, -2.0971)


class CochCNN9(Backbone):
    """CochCNN9 with the published layer names, so that published weights can be loaded.

    `batchnorm0 - conv0 - relu0 - maxpool0 - batchnorm1 - conv1 - relu1 - maxpool1 - batchnorm2 - conv2 - relu2 -
    conv3 - relu3 - conv4 - relu4 - avgpool - fullyconnected - relufc - dropout`, with "same" padding and convolutions
    without bias. The size of the dense layer depends on the input.

    Args:
        width: Factor on the published numbers of channels (96, 256, 512, 1024, 512) and of dense units (4096), rounded.
        dropout: Probability of dropping a dense unit during training.
        initialization: "pytorch" as published, or "kaiming" (see `networks.backbones.initialization.initialize`).
        multitask_initialization: Start `batchnorm0` with weight 0.6180 and bias -2.0971, as in the published multi-task
            networks.

    Raises:
        ValueError: If the width leaves a layer without channels.
    """

    stages = ("relu0", "maxpool0", "relu1", "maxpool1", "relu2", "relu3", "relu4", "avgpool", "relufc")
    published_head = "classification"

    def __init__(
        self,
        *,
        width: float = 1.0,
        dropout: float = 0.5,
        initialization: Initialization = "pytorch",
        multitask_initialization: bool = False,
    ) -> None:
        super().__init__()
        channels = [round(width * published) for published in (96, 256, 512, 1024, 512, 4096)]
        if min(channels) < 1:
            raise ValueError(f"expected a width that leaves every layer at least one channel, got {width}")
        c0, c1, c2, c3, c4, dense = channels
        self.batchnorm0 = nn.BatchNorm2d(1)
        self.conv0 = SameConv2d(1, c0, (7, 14), (3, 3))
        self.relu0 = nn.ReLU()
        self.maxpool0 = SameMaxPool2d((2, 5), (2, 2))
        self.batchnorm1 = nn.BatchNorm2d(c0)
        self.conv1 = SameConv2d(c0, c1, (4, 8), (2, 2))
        self.relu1 = nn.ReLU()
        self.maxpool1 = SameMaxPool2d((2, 5), (2, 2))
        self.batchnorm2 = nn.BatchNorm2d(c1)
        self.conv2 = SameConv2d(c1, c2, (2, 5))
        self.relu2 = nn.ReLU()
        self.conv3 = SameConv2d(c2, c3, (2, 5))
        self.relu3 = nn.ReLU()
        self.conv4 = SameConv2d(c3, c4, (2, 5))
        self.relu4 = nn.ReLU()
        self.avgpool = SameAvgPool2d((2, 5), (2, 2))
        self.fullyconnected = nn.LazyLinear(dense)
        self.relufc = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.initialization: Initialization = initialization
        if multitask_initialization:
            nn.init.constant_(self.batchnorm0.weight, MULTITASK_BATCHNORM0[0])
            nn.init.constant_(self.batchnorm0.bias, MULTITASK_BATCHNORM0[1])

    def initialize(self) -> None:
        """Apply the chosen initialisation. Called once the size of the dense layer is known."""
        initialize(self, self.initialization)

    def forward(self, cochleagram: Tensor) -> Tensor:
        """(B, F, N) or (B, 1, F, N) cochleagrams -> (B, dense units)."""
        x = cochleagram if cochleagram.ndim == 4 else cochleagram[:, None]
        x = self.relu0(self.conv0(self.batchnorm0(x)))
        x = self.maxpool0(x)
        x = self.relu1(self.conv1(self.batchnorm1(x)))
        x = self.maxpool1(x)
        x = self.relu2(self.conv2(self.batchnorm2(x)))
        x = self.relu3(self.conv3(x))
        x = self.relu4(self.conv4(x))
        x = self.avgpool(x)
        x = self.relufc(self.fullyconnected(x.flatten(1)))
        features: Tensor = self.dropout(x)
        return features
