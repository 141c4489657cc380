namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Named tensors in a state file, in order, contiguous whatever their memory layout.</summary>
internal static class StateRecord
{
    public static void Write(BinaryWriter writer, IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        foreach ((string name, Tensor tensor) in tensors)
        {
            using Tensor detached = tensor.detach();
            using Tensor packed = detached.contiguous();
            writer.Write(name);
            writer.Write(packed.numel());
            writer.Write(packed.bytes);
        }
    }

    public static void Read(BinaryReader reader, IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        using IDisposable guard = no_grad();
        foreach ((string name, Tensor tensor) in tensors)
        {
            (string found, long count) = (reader.ReadString(), reader.ReadInt64());
            if (found != name || count != tensor.numel())
            {
                throw new InvalidDataException(
                    $"The state file holds {found} ({count} numbers) where {name} ({tensor.numel()}) is expected: it is of another network.");
            }

            using Tensor packed = empty(tensor.shape, dtype: tensor.dtype);
            reader.BaseStream.ReadExactly(packed.bytes);
            tensor.copy_(packed);
        }
    }

    /// <summary>A network's parameters by name.</summary>
    public static IEnumerable<(string Name, Tensor Tensor)> Of(nn.Module network) =>
        network.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter));
}
