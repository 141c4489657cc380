using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Text states without a text encoder: standard normal numbers that are a function of the prompt.</summary>
internal static class UntrainedStates
{
    /// <summary>[B, tokens, width] on the CPU.</summary>
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

/// <summary>For networks that read all tokens.</summary>
/// <param name="tokens">Of every prompt.</param>
/// <param name="width">Of a state.</param>
/// <param name="seed">Of the states.</param>
/// <param name="network">What stands for the text encoder's weights, which this owns; null: nothing.</param>
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

/// <summary>For networks with a mask: as many tokens as the prompt has words, and one for its end.</summary>
internal sealed class UntrainedTexts(int tokens, long width, int seed) : ITextStateEncoder
{
    public Device Device { get; private set; } = CPU;

    public int Length => tokens;

    public TextStates Encode(IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor used = tensor([.. prompts.Select(prompt => Math.Min(tokens, Words(prompt) + 1L))]).unsqueeze(1);
        Tensor mask = ScalarOps.Range(tokens, dtype: ScalarType.Int64).unsqueeze(0).lt(used).to_type(ScalarType.Int64);
        return new TextStates(
            UntrainedStates.Create(prompts, tokens, width, seed).to(Device, copy: true).MoveToOuterDisposeScope(), mask.to(Device, copy: true).MoveToOuterDisposeScope());
    }

    public int CountTruncated(string prompt) => Math.Max(0, Words(prompt) + 1 - tokens);

    public void MoveTo(Device device) => Device = device;

    public void Release()
    {
        // There are no weights.
    }

    public void Dispose()
    {
        // There are no weights.
    }

    private static int Words(string prompt) => prompt.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
}
