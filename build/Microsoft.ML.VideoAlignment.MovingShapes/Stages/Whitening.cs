using Microsoft.ML.VideoAlignment.Autoencoders;
using TorchSharp.Modules;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// A linear change of the four latent channels, z = D V^T (x - mean), after which each has about unit variance. An autoencoder puts brightness into wide
/// directions and colour into narrow ones (variances 2.8, 1.0, 0.24, 0.006 here), and a denoiser hardly learns what the noise covers almost always: after
/// 2000 steps on plain latents no film had the colour of its prompt. The change is folded into the 1 x 1 convolutions at both ends of the latents.
/// </summary>
internal sealed class Whitening
{
    /// <summary>Keeps directions that hold next to nothing from being blown up to noise.</summary>
    private const double LeastVariance = 0.05;

    private readonly Tensor _mean;
    private readonly Tensor _forward;
    private readonly Tensor _backward;

    /// <param name="latents">[N, 4, T, h, w].</param>
    public Whitening(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = latents.permute(0, 2, 3, 4, 1).flatten(0, 3); // [M, 4]
        Tensor mean = rows.mean([0]);
        Tensor centred = rows - mean;
        (Tensor variances, Tensor directions) = linalg.eigh(centred.t().matmul(centred) / rows.shape[0]);
        Tensor widths = (variances + LeastVariance).sqrt();
        _mean = mean.DetachFromDisposeScope();
        Rotation = directions.DetachFromDisposeScope();
        _forward = (directions / widths).t().contiguous().DetachFromDisposeScope();
        _backward = (directions * widths).DetachFromDisposeScope();
    }

    /// <summary>V [4, 4]: a column for each new channel.</summary>
    public Tensor Rotation { get; }

    /// <summary>latents: [N, 4, T, h, w] -> the same shape.</summary>
    public Tensor Apply(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = latents.permute(0, 2, 3, 4, 1) - _mean;
        return rows.matmul(_forward.t()).permute(0, 4, 1, 2, 3).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Rebuilds an autoencoder whose latents times <paramref name="factor"/> are x so that its latents are z, with scaling factor 1. The posterior's
    /// log-variances become constants: a rotated one has no independent channels. Pictures of given latents do not change.
    /// </summary>
    public void FoldInto(AutoencoderKL network, double factor)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Parameter weight = network.get_parameter("quant_conv.weight")!;
        Parameter bias = network.get_parameter("quant_conv.bias")!;
        Tensor spread = _forward.square().matmul((bias.narrow(0, 4, 4) + (2 * Math.Log(factor))).exp()).log();
        weight.narrow(0, 0, 4).copy_(_forward.matmul(weight.narrow(0, 0, 4).flatten(1) * factor).view(4, -1, 1, 1));
        bias.narrow(0, 0, 4).copy_(_forward.mv((bias.narrow(0, 0, 4) * factor) - _mean));
        weight.narrow(0, 4, 4).zero_();
        bias.narrow(0, 4, 4).copy_(spread);

        Parameter back = network.get_parameter("post_quant_conv.weight")!; // [4, 4, 1, 1], reads x / factor
        Parameter backBias = network.get_parameter("post_quant_conv.bias")!;
        Tensor matrix = back.flatten(1) / factor;
        backBias.add_(matrix.mv(_mean));
        back.copy_(matrix.matmul(_backward).view(4, 4, 1, 1));
    }

    /// <summary>Turns a denoiser that was trained on x into the new channels' directions; their widths it has to learn.</summary>
    public void Turn(BaseModel model)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Parameter first = model.get_parameter("unet.conv_in.weight")!; // [32, 4, 3, 3]
        first.copy_(first.permute(0, 2, 3, 1).matmul(Rotation).permute(0, 3, 1, 2));
        Parameter last = model.get_parameter("unet.conv_out.weight")!; // [4, 32, 3, 3]
        last.copy_(Rotation.t().matmul(last.flatten(1)).view_as(last));
        Parameter bias = model.get_parameter("unet.conv_out.bias")!;
        bias.copy_(Rotation.t().mv(bias));
    }
}
