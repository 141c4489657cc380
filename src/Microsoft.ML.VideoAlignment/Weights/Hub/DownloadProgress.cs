namespace Microsoft.ML.VideoAlignment;

/// <summary>How far a download is.</summary>
/// <param name="File">The file that is on its way, such as "unet/diffusion_pytorch_model.safetensors".</param>
/// <param name="Bytes">Bytes that are there, of all files of this download, those from an earlier try included.</param>
/// <param name="TotalBytes">Bytes of all files of this download.</param>
public readonly record struct DownloadProgress(string File, long Bytes, long TotalBytes);
