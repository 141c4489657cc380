using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Text states without a text encoder: standard normal numbers that are a function of the prompt.</summary>
internal static class UntrainedStates
{
    /// <summary>Makes states.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="tokens">Tokens of every prompt, L.</param>
    /// <param name="width">Width of a state, D.</param>
    /// <param name="seed">The seed of the states.</param>
    /// <returns>float32 [B, L, D] on the CPU.</returns>
    public static Tensor Create(IReadOnlyList<string> prompts, long tokens, long width, int seed)
    {
        using DisposeScope scope = NewDisposeScope();
        return stack([.. prompts.Select(Row)]).MoveToOuterDisposeScope();

        Tensor Row(string prompt)
        {
            byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{seed} {prompt}"));
            using var generator = new Generator(BinaryPrimitives.ReadUInt32LittleEndian(hash));
            return randn([tokens, width], dtype: ScalarType.Float32, generator: generator);
        }
    }
}

/// <summary>Prompts without a text encoder, for networks that read all tokens.</summary>
/// <param name="tokens">Tokens of every prompt, L.</param>
/// <param name="width">Width of a state, D.</param>
/// <param name="seed">The seed of the states.</param>
/// <param name="network">What stands for the text encoder's weights, which this owns; null: nothing does.</param>
internal sealed class UntrainedPrompts(long tokens, long width, int seed, nn.Module? network = null) : IPromptEncoder
{
    private Device _device = CPU;

    public nn.Module Network { get; } = network ?? nn.Identity();

    public Tensor Tokens(IReadOnlyList<string> prompts) => throw new NotSupportedException("An untrained model has no tokens: its text states are random.");

    public Tensor Encode(IReadOnlyList<string> prompts)
    {
        using Tensor states = UntrainedStates.Create(prompts, tokens, width, seed);
        return states.to(_device, copy: true);
    }

    public int CountTruncated(string prompt) => 0;

    public void MoveTo(Device device)
    {
        Network.to(device);
        _device = device;
    }

    public void Dispose() => Network.Dispose();
}
