"""What ties image features to text features in ProGEO's two stages."""

from torch import Tensor
from torch.nn import functional as F


def supervised_contrast(
    anchors: Tensor, others: Tensor, anchor_labels: Tensor, other_labels: Tensor, temperature: float = 1.0
) -> Tensor:
    """Supervised contrast of one set of features against another (Khosla et al., NeurIPS 2020, between two sets).

    Minus the mean over the anchors of the mean log-probability of the others with the same label, in a softmax of raw
    inner products. Nothing is left out of the softmax: the sets differ, so no anchor meets itself.

    Args:
        anchors: (N, D).
        others: (M, D).
        anchor_labels, other_labels: (N,) and (M,).
        temperature: divides the products.

    Returns:
        A scalar; NaN where an anchor shares its label with nothing.
    """
    logits = anchors @ others.T / temperature
    # Constant per row, so it changes no number; it keeps the exponentials small.
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    log_share = logits - logits.exp().sum(1, keepdim=True).log()
    same = (anchor_labels[:, None] == other_labels[None]).to(anchors)
    return -((same * log_share).sum(1) / same.sum(1)).mean()


def image_text_logits(features: Tensor, texts: Tensor) -> Tensor:
    """(B, D) image and (K, D) text features, both as they are -> (B, K); ProGEO has neither scale nor temperature."""
    return features @ texts.T


def image_text_loss(features: Tensor, texts: Tensor, labels: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of images with the texts of all classes.

    Args:
        features: (B, D).
        texts: (K, D) one per class.
        labels: (B,) class numbers.
        smoothing: share of the target that is spread evenly over the K classes.
    """
    return F.cross_entropy(image_text_logits(features, texts), labels, label_smoothing=smoothing)
