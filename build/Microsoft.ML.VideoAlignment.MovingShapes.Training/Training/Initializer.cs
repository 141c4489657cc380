using Microsoft.ML.VideoAlignment.Layers;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Fills uninitialized networks as torch.nn does by default: linear and convolution weights and biases uniform in +-1/sqrt(fan in) (kaiming_uniform with
/// a = sqrt 5), norms 1 and 0, embeddings N(0, 1). Parameters that no layer of ours owns must be filled by the caller's <c>special</c>.
/// </summary>
internal static class Initializer
{
    /// <param name="module">The network; all its parameters are made trainable.</param>
    /// <param name="generator">Source of every draw.</param>
    /// <param name="special">(full name, parameter): true when it filled the parameter itself.</param>
    public static void Fill(nn.Module module, Generator generator, Func<string, Parameter, bool>? special = null)
    {
        using IDisposable guard = no_grad();
        var owners = new Dictionary<string, nn.Module>(StringComparer.Ordinal) { [""] = module };
        foreach ((string name, nn.Module child) in module.named_modules())
        {
            owners[name] = child;
        }

        foreach ((string name, Parameter parameter) in module.named_parameters())
        {
            if (special is null || !special(name, parameter))
            {
                int dot = name.LastIndexOf('.');
                FillDefault(owners[dot < 0 ? "" : name[..dot]], name, name[(dot + 1)..], parameter, generator);
            }
        }

        Parameters.SetTrainable(module, true);
    }

    private static void FillDefault(nn.Module owner, string name, string last, Parameter parameter, Generator generator)
    {
        switch (owner)
        {
            case GroupNorm or LayerNorm:
                parameter.fill_(last == "weight" ? 1 : 0);
                break;
            case Embedding:
                parameter.normal_(0, 1, generator);
                break;
            case IAdaptable layer:
                long fanIn = layer.Weight.shape.Skip(1).Aggregate(1L, (product, size) => product * size);
                double bound = 1 / Math.Sqrt(fanIn);
                parameter.uniform_(-bound, bound, generator);
                break;
            default:
                throw new InvalidOperationException($"No default initialization for {name} of a {owner.GetType().Name}.");
        }
    }
}
