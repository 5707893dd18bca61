"""Images as networks see them: cropped, mirrored and distorted in training, the middle of them in tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from bnexp.config import ConfigError, DataConfig
from bnexp.data.dataset import DataError, Dataset, pixels

GREY = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in the brightness of a pixel (ITU-R BT.601)."""


LEAST = 0.01
"""Added to variances of pixels in [0, 1] before they are divided by: some hardly vary."""


class View:
    """Makes float inputs `[..., C, crop, crop]` of uint8 images `[..., C, H, W]`, all of a mini-batch at once.

    Pixels in [0, 1] are centred and scaled by the data set's statistics where it has them; the border that `padding`
    adds is 0 then, the mean colour. With `data.pixels` statistics of the training images come on top. Errors:
    ConfigError for a crop larger than the padded image.
    """

    def __init__(self, config: DataConfig, dataset: Dataset) -> None:
        height, width = dataset.train_images.shape[-2:]
        self.config = config
        self.crop = config.crop or 0
        if self.crop > min(height, width) + 2 * config.padding:
            raise ConfigError(
                f"data.crop={self.crop} is larger than images of {height}×{width} with data.padding={config.padding}"
            )
        device = dataset.train_labels.device
        self.centre = torch.tensor(dataset.centre, device=device).view(-1, 1, 1) if dataset.centre else None
        self.scale = 1 / torch.tensor(dataset.spread, device=device).view(-1, 1, 1) if dataset.spread else None
        self.prepared = None if config.pixels == "raw" else _preparation(dataset, config.pixels)
        self.changes = bool(self.crop or config.flip or config.distortion)
        colours = dataset.train_images.shape[1]
        self.inputs = (colours, self.crop, self.crop) if self.crop else (colours, height, width)
        """That of one input, `[C, H, W]`."""

    def test(self, images: Tensor) -> Tensor:
        """The middle of the images."""
        x = self._centred(pixels(images))
        if not self.crop:
            return x
        x = self._padded(x)
        top, left = ((side - self.crop) // 2 for side in x.shape[-2:])
        return x[..., top : top + self.crop, left : left + self.crop]

    def ten(self, images: Tensor) -> list[Tensor]:
        """Four corners and the middle, and their mirror images."""
        x = self._padded(self._centred(pixels(images)))
        _, height, width = self.inputs
        down, right = x.shape[-2] - height, x.shape[-1] - width
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        views = [x[..., top : top + height, left : left + width] for top, left in corners]
        return [*views, *(view.flip(-1) for view in views)]

    def training(
        self, images: Tensor, draws: Sequence[torch.Generator], part: slice = slice(None), batch: int | None = None
    ) -> Tensor:
        """Each network's images `[N, B, C, H, W]` changed at random, by its own stream.

        They may be a `part` of mini-batches of `batch` images, which are changed as they would be among the others.
        """
        if not self.changes:
            return self._centred(pixels(images))
        n, b = images.shape[:2]
        drawn = torch.stack([torch.rand(batch or b, 6, generator=draw)[part] for draw in draws])
        drawn = drawn.view(n * b, 6).to(images.device)
        x = pixels(images).flatten(0, 1)
        if self.config.distortion:
            x = self._distorted(x, drawn[:, 3:])
        x = self._padded(self._centred(x))
        x = self._cropped(x, drawn[:, :3])
        return x.reshape(n, b, *x.shape[1:])

    def _centred(self, x: Tensor) -> Tensor:
        if self.centre is not None and self.scale is not None:
            x = x.sub_(self.centre).mul_(self.scale)
        if self.prepared is None:
            return x
        mean, factor = self.prepared
        flat = x.flatten(-3) - mean
        return (flat * factor if factor.dim() == 1 else flat @ factor).view(x.shape)

    def _padded(self, x: Tensor) -> Tensor:
        return functional.pad(x, (self.config.padding,) * 4) if self.config.padding else x

    def _cropped(self, x: Tensor, drawn: Tensor) -> Tensor:
        """A square of each image, and of every second its mirror image: `[M, C, crop, crop]`."""
        _, height, width = self.inputs
        top = (drawn[:, 0] * (x.shape[-2] - height + 1)).long()
        left = (drawn[:, 1] * (x.shape[-1] - width + 1)).long()
        rows = top[:, None] + torch.arange(height, device=x.device)
        columns = left[:, None] + torch.arange(width, device=x.device)
        if self.config.flip:
            columns = torch.where(drawn[:, 2:] < 0.5, columns, columns.flip(1))
        every = torch.arange(len(x), device=x.device)[:, None, None]
        return x[every, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def _distorted(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Brightness, contrast and saturation, in this order, each times a factor within 1 ± distortion."""
        brightness, contrast, saturation = (1 + self.config.distortion * (2 * drawn - 1)).view(-1, 3, 1, 1, 1).unbind(1)
        x = x.mul_(brightness).clamp_(0, 1)
        mean = _grey(x).mean((1, 2, 3), keepdim=True)
        x = torch.lerp(mean, x, contrast).clamp_(0, 1)
        return torch.lerp(_grey(x), x, saturation).clamp_(0, 1)


def _preparation(dataset: Dataset, how: str) -> tuple[Tensor, Tensor]:
    """The mean of every pixel, and by what is multiplied: a factor for each, or a matrix for all, Σ^(−1/2) of ZCA."""
    images = dataset.train_images
    if not isinstance(images, Tensor):
        raise DataError(f"data.pixels={how} with {dataset.title}: they are decoded while they are needed, as they are")
    n = images[0].numel()
    total, products = torch.zeros(n).double().to(images.device), torch.zeros(n, n).double().to(images.device)
    for part in torch.split(images, 5000):
        x = pixels(part).flatten(1)
        total += x.sum(0)
        products += x.T @ x
    mean = total / len(images)
    sigma = products / len(images) - torch.outer(mean, mean)
    if how == "standardised":
        return mean.float(), (sigma.diagonal() + LEAST).rsqrt().float()
    values, vectors = torch.linalg.eigh(sigma)
    return mean.float(), ((vectors * (values.clamp(min=0) + LEAST).rsqrt()) @ vectors.T).float()


def _grey(x: Tensor) -> Tensor:
    """The brightness of each pixel, `[M, 1, H, W]`."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    weights = x.new_tensor(GREY).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)
